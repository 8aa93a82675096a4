import type { EnvReader } from "../config/env-reader.js";
import { IDENTITY_FILES, readIdentity } from "./identity.js";
import { hasGoodFiles, readPemFile } from "./pem.js";

/** What clients must show: nothing, a certificate if they have one, or a certificate. */
export type ClientAuth = "none" | "optional" | "required";

/** TLS of the port: the files as they were read at the start, and where they are. */
export interface TlsConfig {
  /** The certificate, its key, and the authorities of clients where certificates of clients are asked for. */
  readonly paths: readonly string[];
  /** What is in them, in the same order. */
  readonly contents: readonly Buffer[];
  readonly clientAuth: ClientAuth;
}

const CLIENT_AUTH = ["required", "optional"] as const;

/** Reads the variables of TLS, and the files they name. Undefined: the port speaks plain text, or there are problems. */
export function readTls(env: EnvReader): TlsConfig | undefined {
  const [cert, key, clientCa] = IDENTITY_FILES.map((name) => env.text(name));
  // Of a secret that is missing, not of somebody who wants plain text, or clients without certificates.
  const blank = IDENTITY_FILES.filter((name) => env.isBlank(name));
  for (const name of blank) env.problem(name, "is empty: name a file, or unset it");
  if (blank.length > 0) return undefined;
  const clientAuth = env.choice("TLS_CLIENT_AUTH", "required", CLIENT_AUTH);
  if (clientCa === undefined && env.isSet("TLS_CLIENT_AUTH")) {
    env.problem("TLS_CLIENT_AUTH", "says what clients must show, and TLS_CLIENT_CA names nobody who vouches for them");
  }
  if (clientCa !== undefined && cert === undefined) env.problem("TLS_CLIENT_CA", "needs TLS_CERT and TLS_KEY too");
  if (cert !== undefined && key === undefined) env.problem("TLS_KEY", "is required with TLS_CERT");
  if (key !== undefined && cert === undefined) env.problem("TLS_CERT", "is required with TLS_KEY");
  if (cert === undefined || key === undefined) return undefined;
  const paths = clientCa === undefined ? [cert, key] : [cert, key, clientCa];
  const contents = paths.map((path, index) => readPemFile(env, IDENTITY_FILES[index] ?? "", path));
  if (!contents.every((content) => content !== undefined)) return undefined;
  if (!hasGoodFiles(env, () => readIdentity(contents))) return undefined;
  return { paths, contents, clientAuth: clientCa === undefined ? "none" : clientAuth };
}
