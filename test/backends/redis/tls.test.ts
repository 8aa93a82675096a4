import { copyFile, readFile } from "node:fs/promises";
import { createTaskQueue } from "gotaskq";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { RedisTls } from "../../../src/backends/redis/link/tls.js";
import { type Authority, type CertificateFiles, createAuthority } from "../../support/certificates.js";
import { startRedis, startRedisCluster, startSentinel } from "../../support/redis.js";
import type { RedisTlsFiles } from "../../support/redis-server.js";
import { created, finished } from "../../support/rpc.js";
import { startTestServer, type TestEnvironment } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";
import { newPrefix, openBackend } from "./support/open.js";

let authority: Authority;
/** What Redis has. */
let files: RedisTlsFiles;
let mine: CertificateFiles;
/** What a server needs to be let in. */
let variables: TestEnvironment;

beforeAll(() => {
  authority = createAuthority();
  files = { ca: authority.ca, ...authority.issue("redis") };
  mine = authority.issue("gotaskq");
  variables = {
    USE_REDIS: "true",
    REDIS_TLS_CA: authority.ca,
    REDIS_TLS_CERT: mine.cert,
    REDIS_TLS_KEY: mine.key,
  };
});

const contentsOf = async ({ cert, key }: CertificateFiles): Promise<RedisTls> => ({
  ca: authority.caText,
  cert: await readFile(cert),
  key: await readFile(key),
});

/** Has a server run a job on the Redis at this URL. */
async function runsJobs(url: string, env: TestEnvironment = variables): Promise<void> {
  const server = await startTestServer({ ...env, REDIS_URL: url });
  const id = await created(server, { type: "echo" });
  await finished(server, id);
}

describe("over TLS, with certificates on both sides, jobs run", () => {
  test("on one Redis", async () => {
    const redis = await startRedis({ tls: files });
    await runsJobs(`rediss://127.0.0.1:${redis.tlsPort}/1`);
  });

  test("on one Redis that is known by another name", async () => {
    const redis = await startRedis({ tls: files });
    const url = `rediss://[::ffff:127.0.0.1]:${redis.tlsPort}`;
    await expect(runsJobs(url)).rejects.toThrow(/altnames/);
    await runsJobs(url, { ...variables, REDIS_TLS_SERVER_NAME: "localhost" });
  });

  test("on a cluster", async () => {
    const cluster = await startRedisCluster(3, { tls: files });
    await runsJobs(cluster.url);
  });

  test("behind a Sentinel, also after a failover", async () => {
    const sentinel = await startSentinel({ tls: files });
    const hosts = sentinel.sentinels.map(({ host, port }) => `${host}:${port}`).join(",");
    const url = `rediss+sentinel://${hosts}/${sentinel.name}`;
    const server = await startTestServer({ ...variables, REDIS_URL: url });
    await finished(server, await created(server, { type: "echo" }));
    await sentinel.failover();
    const id = await eventually(
      () => created(server, { type: "echo" }).catch(() => undefined),
      "a create that is not refused",
      20_000,
    );
    await finished(server, id);
  });

  test("in the library", async () => {
    const redis = await startRedis({ tls: files });
    const queue = createTaskQueue({
      redisUrl: `rediss://127.0.0.1:${redis.tlsPort}`,
      redisTls: await contentsOf(mine),
      handlers: { double: (job) => job.payload * 2 },
    });
    onTestFinished(() => queue.stop({ timeoutMs: 0 }));
    await queue.start();
    const { job } = await queue.create({ type: "double", payload: 4 });
    expect(await within(queue.wait(job.id), "the end of the job")).toMatchObject({ status: "DONE", result: 8 });
  });
});

describe("a server does not start, and says why", () => {
  test.each([
    ["without the authority", () => ({ ...variables, REDIS_TLS_CA: "" }), /certificate.*; REDIS_TLS_CA names/],
    [
      "without a certificate of its own",
      () => ({ ...variables, REDIS_TLS_CERT: "", REDIS_TLS_KEY: "" }),
      /certificate.*; REDIS_TLS_CERT and/,
    ],
    [
      "with another name than that of the certificate",
      () => ({ ...variables, REDIS_TLS_SERVER_NAME: "other.example" }),
      /altnames.*; REDIS_TLS_SERVER_NAME says/,
    ],
  ])("%s", async (_what, env, why) => {
    const redis = await startRedis({ tls: files });
    await expect(runsJobs(`rediss://127.0.0.1:${redis.tlsPort}`, env())).rejects.toThrow(why);
  });

  test("on a Redis that speaks plain text", async () => {
    const redis = await startRedis({ port: true });
    await expect(runsJobs(`rediss://127.0.0.1:${redis.port}`)).rejects.toThrow(/ETIMEDOUT; does it speak TLS/);
  });

  test.each([
    [
      "a URL without TLS",
      "redis://h",
      {},
      /^REDIS_TLS_CA: needs a REDIS_URL that begins with rediss\nREDIS_TLS_CERT: needs/,
    ],
    [
      "a certificate without its key",
      "rediss://h",
      { REDIS_TLS_KEY: "" },
      /^REDIS_TLS_KEY: is required with REDIS_TLS_CERT/,
    ],
    ["a file that is not there", "rediss://h", { REDIS_TLS_CA: "/none" }, /^REDIS_TLS_CA: .* cannot be read: ENOENT/],
    ["a file of something else", "rediss://h", { REDIS_TLS_CA: "package.json" }, /^REDIS_TLS_CA: has no certificate/],
  ])("with %s", async (_what, url, more, problem) => {
    await expect(runsJobs(url, { ...variables, ...more })).rejects.toThrow(problem);
  });
});

test("connections to come are made with what is known of TLS then", async () => {
  const redis = await startRedis({ tls: files });
  const another = createAuthority("another");
  const tls: { -readonly [K in keyof RedisTls]: RedisTls[K] } = await contentsOf(mine);
  const options = { url: `rediss://127.0.0.1:${redis.tlsPort}`, prefix: newPrefix(), tls };
  const { backend } = await openBackend(options);
  // Redis comes back with a certificate of another authority.
  const next = another.issue("redis");
  await Promise.all([copyFile(next.cert, files.cert), copyFile(next.key, files.key)]);
  tls.ca = authority.caText + another.caText;
  await redis.restart();
  await eventually(
    () =>
      backend.queueNames().then(
        () => true as const,
        () => undefined,
      ),
    "an answer after the restart",
  );
});
