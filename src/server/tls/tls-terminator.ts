import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { calmLogger } from "../../core/calm-logger.js";
import type { Clock, Timer } from "../../core/clock.js";
import type { Logger } from "../../model/log/logger.js";
import { watchFiles } from "../config/watched-files.js";
import { type Identity, readIdentity } from "./identity.js";
import type { ClientAuth, TlsConfig } from "./tls-config.js";

/** Protocols that may be agreed on, the preferred first. One that agrees on none speaks HTTP/1.1. */
const PROTOCOLS = ["h2", "http/1.1", "http/1.0"];

/** How long before its end a certificate is warned of, and how often, ms. */
const SOON_MS = 14 * 86_400_000;
const DAILY_MS = 86_400_000;

/** Makes accepted connections secure, with the certificate that the files have at that time. */
export interface TlsTerminator {
  /**
   * Makes a connection secure. One that does not finish its handshake within `handshakeMs`, or shows no good certificate where
   * one is needed, is closed.
   */
  accept(socket: Socket): void;
  /** Names who takes connections once they are secure. `isHttp2`: the client agreed on it (ALPN). */
  onSecured(secured: (socket: TLSSocket, isHttp2: boolean) => void): void;
  /** When the certificate ends, ms since 1970. */
  readonly endsAt: number;
  /** Handshakes that failed so far. */
  readonly failed: number;
  /** Reads no files any more. Idempotent. */
  stop(): void;
}

/** Dependencies of a terminator. */
export interface TlsTerminatorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a handshake may take, ms. */
  readonly handshakeMs: number;
}

/** Creates a terminator. It reads the files again when they change; files that cannot be used are logged, and change nothing. */
export function createTlsTerminator(config: TlsConfig, deps: TlsTerminatorDeps): TlsTerminator {
  const { clock, handshakeMs } = deps;
  const { paths, clientAuth } = config;
  const logger = calmLogger(deps.logger, clock);
  let identity = readIdentity(config.contents);
  let failed = 0;
  let secured = (socket: TLSSocket, _isHttp2: boolean): void => void socket.destroy();
  let warning: Timer | undefined;

  const server = createServer({
    ...identity.context,
    ALPNProtocols: PROTOCOLS,
    handshakeTimeout: handshakeMs,
    // A client could have the server compute for ever.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    requestCert: clientAuth !== "none",
    // They are looked at below, once it is known whose they are.
    rejectUnauthorized: false,
  });
  server.on("secureConnection", (socket) => {
    if (isGood(socket, clientAuth)) secured(socket, socket.alpnProtocol === "h2");
    else refuse(socket, new Error(whyBad(socket)));
  });
  // Node leaves the connection open, also when its time is over.
  server.on("tlsClientError", (error, socket) => refuse(socket, error));

  function refuse(socket: TLSSocket, err: Error): void {
    failed++;
    logger.warn({ err, remote: socket.remoteAddress }, "a TLS handshake failed");
    socket.destroy();
  }

  /** Says once a day that the certificate ends soon. */
  function warn(): void {
    warning?.cancel();
    const leftMs = identity.endsAt - clock.now();
    const fields = { cert: paths[0], ends: new Date(identity.endsAt).toISOString() };
    if (leftMs <= 0) logger.error(fields, "the certificate has ended: clients refuse it");
    else if (leftMs <= SOON_MS) logger.warn(fields, "the certificate ends soon");
    warning = clock.setTimer(DAILY_MS, warn);
  }

  function use(next: Identity): void {
    identity = next;
    server.setSecureContext({ ...next.context, secureOptions: constants.SSL_OP_NO_RENEGOTIATION });
    logger.info({ cert: paths[0], ends: new Date(next.endsAt).toISOString() }, "the certificate was read again");
    warn();
  }

  const files = watchFiles(paths, config.contents, clock, {
    changed: (contents) => use(readIdentity(contents)),
    failed: (err) => logger.error({ err, files: paths }, "the files of TLS cannot be used: the old ones stay in use"),
  });
  warn();
  return {
    accept(socket) {
      // Nobody who closes a side in the handshake will finish it. What is served later may be open by half.
      socket.allowHalfOpen = false;
      server.emit("connection", socket);
    },
    onSecured(taker) {
      secured = taker;
    },
    get endsAt() {
      return identity.endsAt;
    },
    get failed() {
      return failed;
    },
    stop() {
      files.stop();
      warning?.cancel();
    },
  };
}

/** Whether a client shows what it must: where it need not show a certificate, one that it shows has to be good all the same. */
function isGood(socket: TLSSocket, clientAuth: ClientAuth): boolean {
  if (clientAuth === "none" || socket.authorized) return true;
  return clientAuth === "optional" && !showsOne(socket);
}

function showsOne(socket: TLSSocket): boolean {
  return socket.getPeerX509Certificate() !== undefined;
}

/** Node speaks of an issuer that it does not have also where there is no certificate at all. */
function whyBad(socket: TLSSocket): string {
  return showsOne(socket)
    ? `no good certificate of the client: ${socket.authorizationError}`
    : "the client showed no certificate";
}
