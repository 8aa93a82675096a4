/** A name, or an address of version 6 in brackets, perhaps with a port. Nothing else belongs into a `Host` header. */
const HOST = /^(\[[\da-f:.]+\]|[^\s:/@?#\\[\]]+?)\.?(?::\d{1,5})?$/i;

/** The name in a `Host` header, in lower case and without its port. Undefined when it is none. */
export function hostNameOf(host: string): string | undefined {
  return HOST.exec(host)?.[1]?.toLowerCase();
}

/** Matches a name against one that was allowed: itself, `*.example.com` for all names below, or `*` for any. */
export function matchesHost(name: string, allowed: string): boolean {
  return allowed === "*" || name === allowed || (allowed.startsWith("*.") && name.endsWith(allowed.slice(1)));
}
