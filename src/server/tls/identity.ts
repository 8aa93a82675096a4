import { createSecureContext, type SecureContextOptions } from "node:tls";
import { errorText } from "../../model/common/describe-error.js";
import { PemError, readCertificates, readPair } from "./pem.js";

/** What a server shows to clients, and who vouches for theirs. */
export interface Identity {
  /** For the connections to come. */
  readonly context: SecureContextOptions;
  /** When the first certificate of its chain ends, ms since 1970. */
  readonly endsAt: number;
}

/** The variables of the files of an identity, in their order. */
export const IDENTITY_FILES = ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"] as const;

const [CERT, KEY, CLIENT_CA] = IDENTITY_FILES;

/**
 * Reads a certificate with its chain, its key, and, if there is a third, the authorities of clients, all in PEM. Throws a
 * `PemError` for the first that cannot be used, or that does not belong to the others.
 */
export function readIdentity([cert, key, clientCa]: readonly Buffer[]): Identity {
  if (cert === undefined || key === undefined) throw new TypeError("there must be a certificate and a key");
  const chain = readPair({ cert, key, variables: { cert: CERT, key: KEY } });
  if (clientCa !== undefined) readCertificates(CLIENT_CA, clientCa);
  const context: SecureContextOptions = {
    cert,
    key,
    minVersion: "TLSv1.2",
    ...(clientCa !== undefined && { ca: clientCa }),
  };
  try {
    createSecureContext(context);
  } catch (error) {
    throw new PemError(CERT, `cannot be used: ${errorText(error)}`);
  }
  return { context, endsAt: Math.min(...chain.map(({ validTo }) => Date.parse(validTo))) };
}
