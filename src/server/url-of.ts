import type { AddressInfo } from "node:net";

/** The URL for clients of a server at this address, as in `http://127.0.0.1:8000`. */
export function urlOf({ address, family, port }: AddressInfo, isSecure: boolean): string {
  return `${isSecure ? "https" : "http"}://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
