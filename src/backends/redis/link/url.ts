/** Where Redis is, read from a URL. */
export type RedisTarget = {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls: boolean;
} & (
  | { readonly kind: "server"; readonly host: string; readonly port: number; readonly db: number }
  | { readonly kind: "socket"; readonly path: string; readonly db: number }
  | { readonly kind: "cluster"; readonly nodes: readonly HostPort[] }
  | { readonly kind: "sentinel"; readonly nodes: readonly HostPort[]; readonly master: string; readonly db: number }
);

/** A host and its port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The accepted forms of a URL. */
const URL_FORMS =
  "redis://host:6379/0, rediss://…, unix:///path/to/socket?db=0, redis+cluster://host:6379,host:6379 or redis+sentinel://host:26379,host:26379/master-name/0";

const DEFAULT_PORT = 6379;
const SENTINEL_PORT = 26_379;
const PATTERN = /^(rediss?|unix|rediss?\+cluster|rediss?\+sentinel):\/\/(?:([^@/]*)@)?([^/?]*)(\/[^?]*)?(?:\?(.*))?$/;

/**
 * Parses `redis://[user:password@]host[:port][/db]`, `rediss://` (TLS), `unix:///path[?db=n]` or a path, and
 * `redis+cluster://host:port,…`, `redis+sentinel://host:port,…/master[/db]` (both with `rediss` too). Returns undefined
 * for anything else; `whyNotRead` then says why.
 */
export function parseRedisUrl(url: string): RedisTarget | undefined {
  if (url.startsWith("/")) return { kind: "socket", path: url, db: 0, tls: false };
  const match = PATTERN.exec(url);
  if (match === null) return undefined;
  const [, scheme = "", credentials, hosts = "", path = "", query = ""] = match;
  const login = readLogin(credentials);
  if (login === undefined) return undefined;
  if (unknownOption(scheme, query) !== undefined) return undefined;
  const common = { ...login, tls: scheme.startsWith("rediss") };
  if (scheme === "unix") {
    const db = readDb(new URLSearchParams(query).get("db") ?? "");
    return path.length > 1 && hosts === "" && db !== undefined ? { kind: "socket", path, db, ...common } : undefined;
  }
  const parts = path.split("/").slice(1);
  if (scheme.endsWith("+cluster")) {
    const nodes = readNodes(hosts, DEFAULT_PORT);
    return nodes && parts.join("") === "" ? { kind: "cluster", nodes, ...common } : undefined;
  }
  if (scheme.endsWith("+sentinel")) {
    const nodes = readNodes(hosts, SENTINEL_PORT);
    const [name = "", last = "", ...more] = parts;
    const master = decode(name);
    const db = readDb(last);
    if (!nodes || !master || db === undefined || more.length > 0) return undefined;
    return { kind: "sentinel", nodes, master, db, ...common };
  }
  const [node, ...others] = readNodes(hosts || "127.0.0.1", DEFAULT_PORT) ?? [];
  const db = readDb(parts[0] ?? "");
  if (node === undefined || others.length > 0 || db === undefined || parts.length > 1) return undefined;
  return { kind: "server", ...node, db, ...common };
}

/** The number of the database. A cluster has only database 0. */
export function databaseOf(target: RedisTarget): number {
  return target.kind === "cluster" ? 0 : target.db;
}

/** What a prefix may be. Braces would make keys of one prefix look like those of another, and change their slot. */
export const PREFIX_FORM = "1 to 64 letters, digits, and any of . _ : -";

/** Whether all keys may begin with this; see `PREFIX_FORM`. */
export function isPrefix(text: string): boolean {
  return /^[A-Za-z0-9._:-]{1,64}$/.test(text);
}

/** What is wrong with a URL that `parseRedisUrl` does not read; to follow the name of the setting. */
export function whyNotRead(url: string): string {
  const [, scheme = "", , , , query = ""] = PATTERN.exec(url) ?? [];
  const option = unknownOption(scheme, query);
  // Anything else may be part of a password that is not encoded.
  if (option === undefined || !/^[A-Za-z_-]{1,32}$/.test(option) || query.includes("@")) return `must be ${URL_FORMS}`;
  return `has the unknown option "${option}": only unix:// takes one, db; for TLS begin with rediss://`;
}

/** The first option that URLs of this scheme do not have. One that was ignored might be a protection asked for. */
function unknownOption(scheme: string, query: string): string | undefined {
  return [...new URLSearchParams(query).keys()].find((name) => scheme !== "unix" || name !== "db");
}

function readLogin(text: string | undefined): { username?: string; password?: string } | undefined {
  if (text === undefined) return {};
  const colon = text.indexOf(":");
  const username = decode(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? undefined : decode(text.slice(colon + 1));
  if (username === undefined || (colon >= 0 && password === undefined)) return undefined;
  return { ...(username !== "" && { username }), ...(password !== undefined && { password }) };
}

/** Decodes percent-encoded text; undefined when it is malformed. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function readNodes(text: string, defaultPort: number): HostPort[] | undefined {
  const nodes = text.split(",").map((node): HostPort | undefined => {
    const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/.exec(node);
    const port = Number(match?.[2] ?? defaultPort);
    if (match?.[1] === undefined || port < 1 || port > 65_535) return undefined;
    return { host: match[1].replace(/^\[|\]$/g, ""), port };
  });
  return nodes.includes(undefined) ? undefined : (nodes as HostPort[]);
}

function readDb(text: string): number | undefined {
  if (text === "") return 0;
  return /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}

/** The URL without its password, for logs and messages; also of a URL that does not parse, perhaps for its password. */
export function hidePassword(url: string): string {
  const start = /^[a-z+]+:\/\//i.exec(url)?.[0] ?? "";
  const rest = url.slice(start.length).replace(/^([^:@/]*):.*@/, "$1:***@");
  // An option is none of ours, and may be a password that other clients take.
  return start + rest.replace(/([?&][^=&]*pass[^=&]*=)[^&]*/gi, "$1***");
}
