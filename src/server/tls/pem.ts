import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { errorText } from "../../model/common/describe-error.js";
import type { EnvReader } from "../config/env-reader.js";

/** A file that cannot be used: the variable that names it, and what is wrong with it, without what is in it. */
export class PemError extends Error {
  override readonly name = "PemError";

  constructor(
    readonly variable: string,
    readonly problem: string,
  ) {
    super(`${variable}: ${problem}`);
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/** Reads the certificates of a file, at least one. Throws a `PemError`. */
export function readCertificates(variable: string, content: Buffer): X509Certificate[] {
  const texts = content.toString("latin1").match(CERTIFICATE) ?? [];
  if (texts.length === 0) throw new PemError(variable, "has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  return texts.map((text, index) => {
    try {
      return new X509Certificate(text);
    } catch (error) {
      throw new PemError(variable, `its certificate ${index + 1} cannot be read: ${errorText(error)}`);
    }
  });
}

/** A certificate with its chain and its key, and the variables that name their files. */
export interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly variables: { readonly cert: string; readonly key: string };
}

/** Reads a pair, and returns the certificates. Throws a `PemError` for files that cannot be used or do not belong together. */
export function readPair({ cert, key, variables }: Pair): X509Certificate[] {
  const chain = readCertificates(variables.cert, cert);
  const secret = readKey(variables.key, key);
  if (chain[0]?.checkPrivateKey(secret)) return chain;
  throw new PemError(variables.key, `is not the key of the certificate in ${variables.cert}`);
}

function readKey(variable: string, content: Buffer): KeyObject {
  const text = content.toString("latin1");
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new PemError(variable, "has no private key in PEM (-----BEGIN PRIVATE KEY-----)");
  }
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)) {
    const way = "give the key without a passphrase, in a file that only the server may read";
    throw new PemError(variable, `is encrypted; ${way}`);
  }
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new PemError(variable, `its key cannot be read: ${errorText(error)}`);
  }
}

/** Reads the file that a variable names; undefined, with a problem, when it cannot be read. */
export function readPemFile(env: EnvReader, variable: string, path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    // Without the path: somebody may have put the key itself there.
    const why = errorText(error).replace(/, \w+ '.*$/s, "");
    env.problem(variable, `must be the path of a PEM file, which cannot be read: ${why}`);
    return undefined;
  }
}

/** Calls `read`, and adds what it finds wrong with files to the problems. Returns whether all is well. */
export function hasGoodFiles(env: EnvReader, read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    env.problem(error.variable, error.problem);
    return false;
  }
}
