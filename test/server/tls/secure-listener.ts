import { createSystemClock } from "../../../src/core/clock.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { readConfig } from "../../../src/server/config/config.js";
import { createListener, type ListenerOptions, type RequestHandler } from "../../../src/server/http/listener.js";
import { createTlsTerminator } from "../../../src/server/tls/tls-terminator.js";
import { type Authority, createAuthority } from "../../support/certificates.js";
import { cleanup } from "../../support/cleanup.js";

let shared: { readonly authority: Authority; readonly cert: string; readonly key: string } | undefined;

/** The authority of the listeners of a test file, and the files of their certificate. */
export function identity() {
  if (shared === undefined) {
    const authority = createAuthority();
    shared = { authority, ...authority.issue("server") };
  }
  return shared;
}
cleanup.afterEachFile(() => {
  shared = undefined;
});

const closing: (() => unknown)[] = [];
cleanup.afterEachTest(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Calls something at the end of the test, the last first. */
export function atEnd(close: () => unknown): void {
  closing.push(close);
}

/** A listener that speaks TLS, until the end of the test. Returns its port. */
export async function listenSecurely(
  handler: RequestHandler,
  options: ListenerOptions,
  handshakeMs = 10_000,
  clientCa?: string,
): Promise<number> {
  const { cert, key } = identity();
  const clients = clientCa === undefined ? {} : { TLS_CLIENT_CA: clientCa };
  const { tls: config } = readConfig({ TLS_CERT: cert, TLS_KEY: key, ...clients });
  if (config === undefined) throw new Error("there is no TLS");
  const tls = createTlsTerminator(config, { clock: createSystemClock(), logger: silentLogger, handshakeMs });
  atEnd(() => tls.stop());
  const listener = createListener(handler, { ...options, tls });
  atEnd(() => listener.close());
  const { port } = await listener.listen(0, "127.0.0.1");
  return port;
}
