import type { SecureClientSessionOptions } from "node:http2";

/**
 * The name by which a server is called, in `:authority` and `host`: the one that its certificate is to have, where a client says so, as Node
 * does it. Node would leave the brackets of an address of IPv6 out.
 */
export function authorityOf(url: string, { servername }: SecureClientSessionOptions = {}): string {
  const { host, port } = new URL(url);
  if (!servername) return host;
  return port === "" ? servername : `${servername}:${port}`;
}
