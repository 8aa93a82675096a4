import { copyFile, mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { type Authority, type CertificateFiles, createAuthority } from "../../support/certificates.js";
import { HeldClock } from "../../support/held-clock.js";
import { recordingLogger } from "../../support/logger.js";
import { created, reading } from "../../support/rpc.js";
import { createClients, startTestServer, type TestServer } from "../../support/server.js";
import { eventually } from "../../support/wait.js";
import { dial } from "./dial.js";

let authority: Authority;
let ca: string;
let names = 0;
/** Where the files of the test are: `tls.crt` and `tls.key` behind a link, as Kubernetes has them. */
let folder: string;
let server: TestServer;
let logger: ReturnType<typeof recordingLogger>;
let clock: HeldClock;

beforeAll(() => {
  authority = createAuthority();
  ca = authority.caText;
});
beforeEach(async () => {
  folder = join(authority.folder, `mount-${names++}`);
  await mkdir(folder);
  await mount(authority.issue("first"));
  logger = recordingLogger();
  clock = new HeldClock();
  const env = { TLS_CERT: join(folder, "data/tls.crt"), TLS_KEY: join(folder, "data/tls.key"), NUM_WORKERS: "0" };
  server = await startTestServer(env, { logger, clock });
});

/** Swaps the link to a folder with these files, as Kubernetes does. */
async function mount({ cert, key }: CertificateFiles): Promise<void> {
  const data = join(folder, `data-${names++}`);
  await mkdir(data);
  await Promise.all([copyFile(cert, join(data, "tls.crt")), copyFile(key, join(data, "tls.key"))]);
  await symlink(data, join(folder, "next"));
  await rename(join(folder, "next"), join(folder, "data"));
}

/** Lets the files be looked at until a line of the log says this. */
async function untilLogged(message: string) {
  clock.hold();
  try {
    return await eventually(async () => {
      await clock.advance(250);
      return logger.lines.find((line) => line.message === message);
    }, `"${message}" in the log`);
  } finally {
    clock.release();
  }
}

/** The name in the certificate that a new connection is shown. */
async function shown(): Promise<unknown> {
  const socket = await dial(server.port, { ca });
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

test("a certificate that is replaced is shown to new connections, and a stream that is open goes on", async () => {
  const create = (baseUrl: string) => createGrpcTransport({ baseUrl, nodeOptions: { ca } });
  const clients = createClients({ name: "gRPC", create }, server.url);
  const id = await created(clients, { type: "nobody" });
  const watch = reading(clients.jobs.watchJob({ id }));
  await watch.until(({ event }) => event.case === "job");
  expect(await shown()).toBe("first");
  await mount(authority.issue("second"));
  await untilLogged("the certificate was read again");
  expect(await shown()).toBe("second");
  // On the connection that is open since the first certificate.
  await clients.jobs.cancelJob({ id });
  await watch.rest();
});

test("files that do not fit each other are told, and the old ones stay until there are good ones", async () => {
  await mount({ cert: authority.issue("second").cert, key: authority.issue("third").key });
  const { level, fields } = await untilLogged("the files of TLS cannot be used: the old ones stay in use");
  expect(level).toBe("error");
  expect(String(fields.err)).toMatch(/TLS_KEY: is not the key of the certificate/);
  expect(await shown()).toBe("first");
  await mount(authority.issue("fourth"));
  await untilLogged("the certificate was read again");
  expect(await shown()).toBe("fourth");
});

test("a file that is cut off is told, and the old ones stay", async () => {
  await writeFile(join(folder, "data/tls.crt"), "-----BEGIN CERTIFICATE-----\nMII");
  const { fields } = await untilLogged("the files of TLS cannot be used: the old ones stay in use");
  expect(String(fields.err)).toMatch(/TLS_CERT: has no certificate/);
  expect(await shown()).toBe("first");
});

test("sessions of the old certificate are not resumed into a stream of errors", async () => {
  const first = await dial(server.port, { ca, maxVersion: "TLSv1.2" });
  const session = first.getSession();
  await mount(authority.issue("second"));
  await untilLogged("the certificate was read again");
  const again = await dial(server.port, { ca, maxVersion: "TLSv1.2", session });
  expect(again.isSessionReused()).toBe(false);
  expect(again.getPeerCertificate().subject.CN).toBe("second");
});
