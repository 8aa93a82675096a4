import type { ConnectionOptions } from "node:tls";

/**
 * TLS of the connections to Redis: contents of PEM files, not their paths. The fields are read at each new connection, so they
 * may change meanwhile.
 */
export interface RedisTls {
  /** Authorities that vouch for Redis. Default: those that Node knows. */
  readonly ca?: string | Buffer | undefined;
  /** The certificate to show, with its chain, where Redis asks for one. */
  readonly cert?: string | Buffer | undefined;
  /** Its key. */
  readonly key?: string | Buffer | undefined;
  /** The name that the certificate of every Redis and Sentinel must have. Default: the host that is connected to. */
  readonly serverName?: string | undefined;
}

/** The same for the library, which copies the fields at each connection. */
export function connectionOptions(tls: RedisTls): ConnectionOptions {
  return {
    get ca() {
      return tls.ca;
    },
    get cert() {
      return tls.cert;
    },
    get key() {
      return tls.key;
    },
    // An undefined one would stand in place of that of the host.
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
    minVersion: "TLSv1.2",
  };
}
