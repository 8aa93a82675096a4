import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../../../src/server/config/config.js";
import { type Authority, type CertificateFiles, createAuthority } from "../../support/certificates.js";

let authority: Authority;
let good: CertificateFiles;
let other: CertificateFiles;
let encrypted: CertificateFiles;

beforeAll(() => {
  authority = createAuthority();
  good = authority.issue("server");
  other = authority.issue("other");
  encrypted = authority.issue("encrypted", { passphrase: "secret" });
});

const write = (name: string, text: string) => {
  const path = join(authority.folder, name);
  writeFileSync(path, text);
  return path;
};

function problems(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join("\n");
    throw error;
  }
  return "";
}

describe("the configuration of TLS", () => {
  test("has none unless there is a certificate", () => {
    expect(readConfig({}).tls).toBeUndefined();
  });

  test("is the files that are named, whose order in a chain does not matter to others", () => {
    const chain = write("chain.crt", readFileSync(good.cert, "utf8") + authority.caText);
    const { tls } = readConfig({ TLS_CERT: chain, TLS_KEY: good.key });
    expect(tls).toEqual({
      paths: [chain, good.key],
      contents: [readFileSync(chain), readFileSync(good.key)],
      clientAuth: "none",
    });
  });

  test("may have certificate and key in one file", () => {
    const both = write("both.pem", readFileSync(good.key, "utf8") + readFileSync(good.cert, "utf8"));
    expect(problems({ TLS_CERT: both, TLS_KEY: both })).toBe("");
  });

  test("asks clients for certificates where their authorities are named", () => {
    const env = { TLS_CERT: good.cert, TLS_KEY: good.key, TLS_CLIENT_CA: authority.ca };
    expect(readConfig(env).tls?.clientAuth).toBe("required");
    expect(readConfig({ ...env, TLS_CLIENT_AUTH: "optional" }).tls?.clientAuth).toBe("optional");
    expect(problems({ ...env, TLS_CLIENT_AUTH: "maybe" })).toMatch(
      /^TLS_CLIENT_AUTH: must be one of required, optional/,
    );
  });

  test.each(["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"])(
    "is not left out, nor are certificates of clients, as %s is empty",
    (name) => {
      expect(problems({ [name]: "" })).toBe(`${name}: is empty: name a file, or unset it`);
      const env = { TLS_CERT: good.cert, TLS_KEY: good.key, TLS_CLIENT_CA: authority.ca };
      expect(problems({ ...env, [name]: " " })).toBe(`${name}: is empty: name a file, or unset it`);
    },
  );

  test("takes a certificate that has ended: that is told in the log, and is no reason not to start", () => {
    const ended = authority.issue("ended", { days: -1 });
    expect(problems({ TLS_CERT: ended.cert, TLS_KEY: ended.key })).toBe("");
  });

  test.each([
    ["a certificate without a key", () => ({ TLS_CERT: good.cert }), /^TLS_KEY: is required with TLS_CERT$/],
    ["a key without a certificate", () => ({ TLS_KEY: good.key }), /^TLS_CERT: is required with TLS_KEY$/],
    ["authorities of clients alone", () => ({ TLS_CLIENT_CA: authority.ca }), /^TLS_CLIENT_CA: needs TLS_CERT/],
    [
      "what clients must show alone",
      () => ({ TLS_CERT: good.cert, TLS_KEY: good.key, TLS_CLIENT_AUTH: "required" }),
      /^TLS_CLIENT_AUTH: .*TLS_CLIENT_CA/,
    ],
    [
      "files that are not there",
      () => ({ TLS_CERT: "/none.crt", TLS_KEY: "/none.key" }),
      /^TLS_CERT: .* cannot be read: ENOENT.*\nTLS_KEY: .* cannot be read: ENOENT/,
    ],
    ["the key of another", () => ({ TLS_CERT: good.cert, TLS_KEY: other.key }), /^TLS_KEY: is not the key of/],
    [
      "a key instead of a certificate",
      () => ({ TLS_CERT: good.key, TLS_KEY: good.key }),
      /^TLS_CERT: has no certificate/,
    ],
    [
      "a certificate instead of a key",
      () => ({ TLS_CERT: good.cert, TLS_KEY: good.cert }),
      /^TLS_KEY: has no private key/,
    ],
    ["an encrypted key", () => ({ TLS_CERT: encrypted.cert, TLS_KEY: encrypted.key }), /^TLS_KEY: is encrypted/],
    [
      "a damaged certificate",
      () => ({
        TLS_CERT: write("bad.crt", readFileSync(good.cert, "utf8").replace(/\nMII../, "\nAAAA")),
        TLS_KEY: good.key,
      }),
      /^TLS_CERT: its certificate 1 cannot be read/,
    ],
    [
      "a damaged key",
      () => ({
        TLS_CERT: good.cert,
        TLS_KEY: write("bad.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
      }),
      /^TLS_KEY: its key cannot be read/,
    ],
    [
      "authorities that are none",
      () => ({ TLS_CERT: good.cert, TLS_KEY: good.key, TLS_CLIENT_CA: write("empty", "") }),
      /^TLS_CLIENT_CA: has no certificate/,
    ],
  ])("is refused for %s", (_what, env, problem) => {
    expect(problems(env())).toMatch(problem);
  });

  test("tells nothing of what is in the files", () => {
    const secret = readFileSync(other.key, "utf8").split("\n")[1] ?? "";
    expect(problems({ TLS_CERT: good.cert, TLS_KEY: other.key })).not.toContain(secret);
    // The key itself in place of its path.
    expect(problems({ TLS_CERT: good.cert, TLS_KEY: readFileSync(other.key, "utf8") })).toMatch(
      /^TLS_KEY: must be the path/,
    );
    expect(problems({ TLS_CERT: good.cert, TLS_KEY: readFileSync(other.key, "utf8") })).not.toContain(secret);
  });
});
