import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { errorText } from "../../model/describe-error.js";

/** What a server shows to clients, and who vouches for theirs. */
export interface Identity {
  /** For the connections to come. */
  readonly context: SecureContextOptions;
  /** When the first certificate of its chain ends, ms since 1970. */
  readonly endsAt: number;
}

/** The variables of the files of an identity, in their order. */
export const TLS_FILES = ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"] as const;

type TlsFile = (typeof TLS_FILES)[number];

/** A file that cannot be used: which, and what is wrong with it, without what is in it. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";

  constructor(
    readonly file: TlsFile,
    readonly problem: string,
  ) {
    super(`${file}: ${problem}`);
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/**
 * Reads a certificate with its chain, its key, and, if there is a third, the authorities of clients, all in PEM. Throws an
 * `IdentityError` for the first that cannot be used, or that does not belong to the others.
 */
export function readIdentity([cert, key, clientCa]: readonly Buffer[]): Identity {
  const chain = certificatesOf("TLS_CERT", cert);
  const secret = keyOf(key);
  if (!chain[0]?.checkPrivateKey(secret))
    throw new IdentityError("TLS_KEY", "is not the key of the certificate in TLS_CERT");
  if (clientCa !== undefined) certificatesOf("TLS_CLIENT_CA", clientCa);
  const context: SecureContextOptions = {
    cert,
    key,
    minVersion: "TLSv1.2",
    ...(clientCa !== undefined && { ca: clientCa }),
  };
  try {
    createSecureContext(context);
  } catch (error) {
    throw new IdentityError("TLS_CERT", `cannot be used: ${errorText(error)}`);
  }
  return { context, endsAt: Math.min(...chain.map(({ validTo }) => Date.parse(validTo))) };
}

function certificatesOf(file: TlsFile, content: Buffer | undefined): X509Certificate[] {
  const texts = content?.toString("latin1").match(CERTIFICATE) ?? [];
  if (texts.length === 0) throw new IdentityError(file, "has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  return texts.map((text, index) => {
    try {
      return new X509Certificate(text);
    } catch (error) {
      throw new IdentityError(file, `its certificate ${index + 1} cannot be read: ${errorText(error)}`);
    }
  });
}

function keyOf(content: Buffer | undefined): KeyObject {
  const text = content?.toString("latin1") ?? "";
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new IdentityError("TLS_KEY", "has no private key in PEM (-----BEGIN PRIVATE KEY-----)");
  }
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)) {
    throw new IdentityError(
      "TLS_KEY",
      "is encrypted; give the key without a passphrase, in a file that only the server may read",
    );
  }
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new IdentityError("TLS_KEY", `its key cannot be read: ${errorText(error)}`);
  }
}
