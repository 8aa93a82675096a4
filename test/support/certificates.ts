import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { install } from "./install-package.js";

/** A certificate and its key, as paths of PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate is for. */
export interface CertificateOptions {
  /** When it ends, from now; below 0: it has ended. Default 30. */
  readonly days?: number;
  /** Encrypts its key. */
  readonly passphrase?: string;
}

/** An authority of a test's own. Its files are removed when the process ends. */
export interface Authority {
  /** Its certificate, as the path of a PEM file. */
  readonly ca: string;
  /** Its certificate, as PEM. */
  readonly caText: string;
  /** A folder for files of the test. */
  readonly folder: string;
  /** Issues a certificate for localhost and 127.0.0.1, good for servers and clients, with this common name. */
  issue(name: string, options?: CertificateOptions): CertificateFiles;
}

const folders = new Set<string>();
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/** Creates an authority, with openssl. */
export function createAuthority(name = "test authority"): Authority {
  install({ command: "openssl", args: ["version"], packageName: "openssl" });
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-tls-"));
  folders.add(folder);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const at = (file: string) => join(folder, file);
  openssl(
    "req",
    "-x509",
    ...EC,
    "-nodes",
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-days",
    "30",
    "-subj",
    `/CN=${name}`,
  );
  let issued = 0;
  return {
    ca: at("ca.crt"),
    caText: readFileSync(at("ca.crt"), "utf8"),
    folder,
    issue(common, { days = 30, passphrase } = {}) {
      const file = `${++issued}-${common}`;
      const [csr, cert, key] = [`${file}.csr`, `${file}.crt`, `${file}.key`];
      const secret = passphrase === undefined ? ["-nodes"] : ["-passout", `pass:${passphrase}`];
      const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
      openssl("req", ...EC, ...secret, "-keyout", key, "-out", csr, "-subj", `/CN=${common}`, "-addext", names);
      const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"];
      openssl("x509", "-req", "-in", csr, ...ca, "-days", String(days), "-out", cert);
      return { cert: at(cert), key: at(key) };
    },
  };
}
