import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { SCHEMA_VERSION } from "../../../src/backends/redis/layout/table.js";
import { RedisUnusable } from "../../../src/backends/redis/link/check-server.js";
import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import { createSystemClock } from "../../../src/core/clock.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { rejection } from "../../core/support/async.js";
import { FakeClock } from "../../support/fake-clock.js";
import { freePort } from "../../support/free-port.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { created, reaches } from "../../support/rpc.js";
import { createClients } from "../../support/server.js";
import { spawnServer, startServerProcess } from "../../support/server-process.js";
import { GRPC } from "../../support/transports.js";
import { within } from "../../support/wait.js";
import { Recorder } from "../contract/harness.js";

/** A folder without a `.env`. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a server that does not start prints. */
interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function outcomeOn(url: string): Promise<Outcome> {
  const child: ChildProcess = spawnServer({ USE_REDIS: "true", REDIS_URL: url }, folder);
  const text = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk) => {
    text.stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    text.stderr += chunk;
  });
  const [code] = await within(once(child, "close"), "the end of the server", 30_000);
  return { code: code as number | null, ...text };
}

/** Why a backend does not start. */
async function refusalOn(url: string): Promise<string> {
  const backend = createRedisBackend({ clock: createSystemClock(), logger: silentLogger }, { url });
  return backend.start(new Recorder()).then(
    async () => {
      await backend.stop();
      return "it has started";
    },
    (error) => {
      if (error instanceof RedisUnusable) return error.message;
      throw error;
    },
  );
}

/** What the lines of the log say that tell why a server does not start. */
function fatal(stdout: string): string {
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { level: string; msg: string });
  return lines
    .filter(({ level }) => level === "fatal")
    .map(({ msg }) => msg)
    .join("\n");
}

const onPort = (...args: string[]) => startRedis({ port: true, args });

/** The URL for a new user with these rights. */
async function urlOfUser(redis: RedisServer, rule: string): Promise<string> {
  await redis.client().call("ACL", "SETUSER", "worker", "on", ">secret", ...rule.split(" "));
  return redis.url.replace("redis://", "redis://worker:secret@");
}

/** Where a server does not start, and what it says. */
const REFUSED: readonly (readonly [what: string, url: () => Promise<string>, reason: RegExp])[] = [
  [
    "where nobody listens",
    async () => `redis://me:secret@127.0.0.1:${await freePort()}`,
    /redis:\/\/me:\*\*\*@127\.0\.0\.1.*ECONNREFUSED/,
  ],
  ["on a socket that is not there", async () => `unix://${folder}/none.sock`, /none\.sock.*ENOENT/],
  [
    "when no host has this name",
    async () => "redis://no-such-host.invalid:6379",
    /no-such-host\.invalid.*(ENOTFOUND|EAI_AGAIN)/,
  ],
  [
    "with a wrong password",
    async () => `redis://:secret@127.0.0.1:${(await onPort("--requirepass", "right")).port}`,
    /WRONGPASS/,
  ],
  ["without the password", async () => (await onPort("--requirepass", "right")).url, /NOAUTH/],
  ["on a database that does not exist", async () => `${(await onPort()).url}/99`, /DB index/],
  [
    "on a replica, which takes no writes",
    async () => (await onPort("--replicaof", "127.0.0.1", String((await onPort()).port))).url,
    /READONLY/,
  ],
  [
    "on a Redis that does not answer",
    async () => {
      const redis = await onPort();
      await redis.kill("SIGSTOP");
      return redis.url;
    },
    /does not answer/,
  ],
  ...[SCHEMA_VERSION - 1, SCHEMA_VERSION + 1].map((layout) => {
    const url = async () => {
      const redis = await onPort();
      await redis.client().set("gotaskq:{*}:schema", layout);
      return redis.url;
    };
    const reason = new RegExp(`written by another version .*\\(layout ${layout}; this one reads ${SCHEMA_VERSION}\\)`);
    return [`on data of layout ${layout}`, url, reason] as const;
  }),
  ...(
    [
      ["without keys", "+@all &*", /no permissions to access one of the keys/],
      [
        "without channels",
        "+@all ~* resetchannels",
        /lacks the right to PUBLISH to the channel gotaskq:\{\*\}:events:0$/m,
      ],
      ["without SUBSCRIBE", "+@all -subscribe ~* &*", /lacks the right to SUBSCRIBE$/m],
      ["without EVAL", "+@all -eval ~* &*", /lacks the right to EVAL$/m],
      ["without PING", "+@all -ping ~* &*", /lacks the right to PING$/m],
      ["without some commands of scripts", "+@all -hset -zadd ~* &*", /lacks the right to HSET, ZADD$/m],
      ["without the commands of the first script", "+@all -get -set ~* &*", /lacks the right to GET, SET$/m],
      ["without SELECT, on another database", "+@all -select ~* &*", /lacks the right to SELECT$/m],
    ] as const
  ).map(([what, rule, reason]) => {
    const url = async () => (await urlOfUser(await onPort(), rule)) + (what.includes("database") ? "/1" : "");
    return [`with a user ${what}`, url, reason] as const;
  }),
  ["where no Sentinel answers", async () => `redis+sentinel://127.0.0.1:${await freePort()}/mine`, /[Ss]entinel/],
  [
    "as a cluster, on a server that is none",
    async () => (await onPort()).url.replace("redis:", "redis+cluster:"),
    /cluster/i,
  ],
];

/** Those that a whole program meets, too: it is told the same by its backend. */
const BY_PROGRAM = ["where nobody listens", "with a user without SUBSCRIBE"];

describe("a server does not start, and says why in a sentence that names REDIS_URL", () => {
  let outcomes: readonly string[];

  // All at the same time: some wait for their Redis for seconds.
  beforeAll(async () => {
    outcomes = await Promise.all(REFUSED.map(async ([, url]) => refusalOn(await url())));
  });

  test.each(REFUSED.map(([what, , reason], index) => [what, reason, index] as const))("%s", (_, reason, index) => {
    expect(outcomes[index]).toMatch(/^.*$/);
    expect(outcomes[index]).toMatch(reason);
    expect(outcomes[index]).not.toContain("secret");
  });

  test.each(REFUSED.filter(([what]) => BY_PROGRAM.includes(what)))("as a program, %s", async (_, url, reason) => {
    const { code, stdout, stderr } = await outcomeOn(await url());
    const told = fatal(stdout);
    expect(told).toMatch(/^REDIS_URL: .*$/);
    expect(told).toMatch(reason);
    expect(stdout + stderr).not.toContain("secret");
    expect(code).toBe(2);
    expect(stdout).not.toContain("GoTaskQ listens");
  });

  test("with a URL that cannot be read; its password is not shown", async () => {
    const { code, stdout, stderr } = await outcomeOn("redis://me:secret/@host");
    expect(code).toBe(2);
    expect(fatal(stdout)).toMatch(/REDIS_URL: must be redis:\/\/host/);
    expect(stdout + stderr).not.toContain("secret");
  });
});

test("a server that is stopped while it waits for Redis waits no more", async () => {
  const clock = new FakeClock();
  const url = `redis://127.0.0.1:${await freePort()}`;
  const backend = createRedisBackend({ clock, logger: silentLogger }, { url });
  const start = rejection(backend.start(new Recorder()));
  await clock.advance(0);
  expect(clock.timers).toBe(1);
  await backend.stop();
  await clock.advance(100);
  expect(await start).toMatchObject({ message: expect.stringContaining("the server was stopped as it started") });
  expect(clock.timers).toBe(0);
});

describe("a server that starts", () => {
  test("warns of a Redis that drops keys and keeps nothing", async () => {
    const { url } = await startRedis({ args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"] });
    const server = await startServerProcess({ USE_REDIS: "true", REDIS_URL: url, LOG_LEVEL: "warn" }, folder);
    await server.printed(/allkeys-lru.*set it to noeviction/);
    await server.printed(/keeps nothing on disk.*set appendonly yes/);
    expect(await server.end()).toBe(0);
  });

  test("runs jobs with no more rights than the README asks for", async () => {
    const readme = await readFile(new URL("../../../src/server/README.md", import.meta.url), "utf8");
    const rule = /^ACL SETUSER gotaskq on >password (.*)$/m.exec(readme)?.[1] ?? "";
    const redis = await onPort();
    const url = await urlOfUser(redis, rule);
    const server = await startServerProcess({ USE_REDIS: "true", REDIS_URL: url, LOG_LEVEL: "warn" }, folder);
    const clients = createClients(GRPC, server.url);
    await reaches(clients, await created(clients, { type: "echo" }), JobStatus.DONE);
    expect(server.output()).not.toMatch(/may not|NOPERM/);
    const may = async (...command: string[]) =>
      (await redis.client().call("ACL", "DRYRUN", "worker", ...command)) === "OK";
    const [own, other] = [createKeys("gotaskq"), createKeys("gotaskq:a")];
    expect(await may("PUBLISH", own.channel, "")).toBe(true);
    expect(await may("HGETALL", own.queue("default"))).toBe(true);
    // Nor those of another prefix that begins alike, nor of another database.
    for (const { channel } of [other, createKeys("gotaskq", 1)]) expect(await may("PUBLISH", channel, "")).toBe(false);
    for (const key of [other.queue("default"), other.queues]) expect(await may("HGETALL", key)).toBe(false);
    expect(await server.end()).toBe(0);
  });

  test("warns when it may use neither INFO nor CONFIG, and runs jobs", async () => {
    const url = await urlOfUser(await onPort(), "+@all -info -config ~* &*");
    const server = await startServerProcess({ USE_REDIS: "true", REDIS_URL: url, LOG_LEVEL: "warn" }, folder);
    const clients = createClients(GRPC, server.url);
    await reaches(clients, await created(clients, { type: "echo" }), JobStatus.DONE);
    await server.printed("the Redis user may not use INFO");
    // The library has advice of its own, about its options.
    expect(server.output()).not.toMatch(/ready ?check/i);
    expect(await server.end()).toBe(0);
  });

  test("says nothing of one that keeps all, and finds its jobs again after a restart", async () => {
    const { url } = await startRedis({ aof: "always" });
    const env = { USE_REDIS: "true", REDIS_URL: url, LOG_LEVEL: "warn" };
    const first = await startServerProcess({ ...env, NUM_WORKERS: "0" }, folder);
    expect(first.output()).not.toContain('"level":"warn"');
    const id = await created(createClients(GRPC, first.url), { type: "echo" });
    await first.end("SIGKILL");
    const second = await startServerProcess(env, folder);
    await reaches(createClients(GRPC, second.url), id, JobStatus.DONE);
    expect(await second.end()).toBe(0);
  });
});
