import { readFileSync } from "node:fs";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { CertificateFiles } from "../../support/certificates.js";
import { cleanup } from "../../support/cleanup.js";
import { within } from "../../support/wait.js";

const dialed = new Set<TLSSocket>();
cleanup.afterEachTest(() => {
  for (const socket of dialed) socket.destroy();
  dialed.clear();
});

/** Opens a TLS connection to this machine; it ends with the test. Rejects when the handshake fails. */
export async function dial(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ...options });
  dialed.add(socket);
  const secure = new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.on("error", reject);
  });
  await within(secure, "a TLS handshake");
  return socket;
}

/** Sends text, and resolves to all that comes until the server closes. */
export async function exchange(socket: TLSSocket, text: string): Promise<string> {
  let answer = "";
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve());
  });
  socket.write(text);
  await within(ended, "the end of the connection");
  return answer;
}

/** A request of HTTP/1.1 after which the server closes. */
export const HEALTH = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/** What a client shows: the contents of its files. */
export function clientFiles({ cert, key }: CertificateFiles): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
