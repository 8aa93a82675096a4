import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import type { Clock } from "../../../src/core/clock.js";
import type { Handlers } from "../../../src/model/handler/handler.js";
import { HeldClock } from "../../support/held-clock.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { created, finished, present, type Refusal, reaches, reading, refusal } from "../../support/rpc.js";
import { startTestServer, type TestEnvironment, type TestServer } from "../../support/server.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { newPrefix } from "./support/open.js";

/** Longest time that a caller waits for an answer while Redis is away, ms. */
const ANSWER_MS = 2000;

const AWAY = { code: "UNAVAILABLE", reason: "BACKEND_UNAVAILABLE", domain: "gotaskq" };

function startOn(
  redis: RedisServer,
  env: TestEnvironment = {},
  handlers?: Handlers,
  clock?: Clock,
): Promise<TestServer> {
  const all = { USE_REDIS: "true", REDIS_URL: redis.url, REDIS_PREFIX: newPrefix(), ...env };
  return startTestServer(all, { handlers, clock });
}

/** Resolves to the error of a call, which must come within the time that a caller may have to wait. */
function refusedInTime(call: Promise<unknown>): Promise<Refusal> {
  return within(refusal(call), "a refusal", ANSWER_MS);
}

async function health(server: TestServer): Promise<{ code: number; status: string }> {
  const response = await fetch(`${server.url}/healthz`);
  const { status } = (await response.json()) as { status: string };
  return { code: response.status, status };
}

/** Resolves when /healthz reports this status. */
async function untilHealth(server: TestServer, status: "SERVING" | "NOT_SERVING"): Promise<void> {
  const check = async () => ((await health(server)).status === status ? true : undefined);
  await eventually(check, `the server to be ${status}`);
}

describe("while Redis is down", () => {
  test("creates and reads are refused in time and say when to try again, and the server says that it does not serve", async () => {
    const redis = await startRedis({ port: true, aof: "always" });
    const server = await startOn(redis);
    const id = await created(server, { type: "unknown-to-all" });
    expect(await health(server)).toEqual({ code: 200, status: "SERVING" });
    await redis.kill("SIGKILL");
    for (const call of [
      () => server.jobs.createJob({ type: "echo" }),
      () => server.jobs.batchCreateJobs({ requests: [{ type: "echo" }, { type: "echo" }] }),
      () => server.jobs.getJob({ id }),
      () => server.jobs.listJobs({}),
      () => server.jobs.cancelJob({ id }),
      () => server.queues.createQueue({ name: "mail" }),
      () => server.queues.listQueues({}),
      () => server.dlq.listDeadJobs({}),
      () => reading(server.jobs.watchJob({ id })).rest(),
      () => reading(server.jobs.watchJobs({})).rest(),
      () => reading(server.queues.watchQueues({})).rest(),
    ]) {
      expect(await refusedInTime(call())).toMatchObject({ ...AWAY, retryMs: 1000 });
    }
    expect(await health(server)).toEqual({ code: 503, status: "NOT_SERVING" });
    expect(await server.metrics()).toContain("gotaskq_active_workers");
    await redis.restart();
    await untilHealth(server, "SERVING");
    expect((await server.jobs.getJob({ id })).job).toMatchObject({ status: JobStatus.PENDING });
    expect(await finished(server, await created(server, { type: "echo" }))).toMatchObject({ status: JobStatus.DONE });
  });

  test("running jobs run on, their outcomes are written after it, and watches outlive it", async () => {
    const redis = await startRedis({ aof: "always" });
    const started = signal();
    const release = signal();
    const held = async () => {
      started.fire();
      await release.fired;
      return "result";
    };
    const server = await startOn(redis, { QUEUES: "mail" }, { held, quick: () => {} });
    const leave = new AbortController();
    const changes = reading(server.jobs.watchJobs({}, { signal: leave.signal }));
    const queues = reading(server.queues.watchQueues({}, { signal: leave.signal }));
    await changes.next();
    const id = await created(server, { type: "held" });
    const watch = reading(server.jobs.watchJob({ id }));
    await started.fired;
    await reaches(server, id, JobStatus.RUNNING);
    await redis.kill("SIGKILL");
    await untilHealth(server, "NOT_SERVING");
    release.fire();
    await refusedInTime(server.jobs.createJob({ type: "quick" }));
    await redis.restart();

    const states = (await watch.rest()).flatMap(({ event }) => (event.case === "job" ? [event.value] : []));
    expect(states.at(-1)).toMatchObject({ status: JobStatus.DONE, deliveries: 1, retryCount: 0, lostLeases: 0 });
    const revisions = states.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort());
    const later = await created(server, { queue: "mail", type: "quick" });
    const seen = await changes.until(
      ({ event }) => event.case === "change" && event.value.jobId === later && event.value.status === JobStatus.DONE,
    );
    const all = seen.flatMap(({ event }) => (event.case === "change" ? [event.value] : []));
    const storyOf = (job: string) => all.filter(({ jobId }) => jobId === job).map(({ status }) => JobStatus[status]);
    expect(storyOf(id)).toEqual(["PENDING", "RUNNING", "DONE"]);
    expect(storyOf(later)).toEqual(["PENDING", "RUNNING", "DONE"]);
    await queues.until(
      ({ event }) =>
        event.case === "snapshot" && event.value.queues.some(({ name, stats }) => name === "mail" && stats?.done === 1),
    );
    leave.abort();
  });

  test("a server that was started before it, and did nothing since, takes jobs of others after it", async () => {
    const redis = await startRedis({ aof: "always" });
    const prefix = newPrefix();
    const one = await startOn(redis, { REDIS_PREFIX: prefix, NUM_WORKERS: "0" });
    const ran = signal();
    const two = await startOn(redis, { REDIS_PREFIX: prefix }, { work: () => ran.fire() });
    for (let turn = 0; turn < 2; turn++) {
      await redis.restart();
      await untilHealth(one, "SERVING");
      await untilHealth(two, "SERVING");
    }
    await created(one, { type: "work" });
    await within(ran.fired, "the run of the job", 1000);
  });

  test("jobs that were due meanwhile run when it is back", async () => {
    const redis = await startRedis({ aof: "always" });
    const server = await startOn(redis);
    const id = await created(server, { type: "echo", schedule: { case: "delay", value: { seconds: 0n, nanos: 3e8 } } });
    await redis.stop();
    await untilHealth(server, "NOT_SERVING");
    const due = performance.now() + 300;
    await eventually(async () => (performance.now() > due ? true : undefined), "the time when it is due");
    await redis.restart();
    await untilHealth(server, "SERVING");
    expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE, deliveries: 1, lostLeases: 0 });
  });

  test("a server ends in order, and soon", async () => {
    const redis = await startRedis();
    const started = signal();
    const held = () => {
      started.fire();
      return new Promise(() => {});
    };
    const server = await startOn(redis, { SHUTDOWN_TIMEOUT: "100ms" }, { held });
    await created(server, { type: "held" });
    await started.fired;
    await redis.kill("SIGSTOP");
    await within(server.stop(), "the end of the server", 6000);
  });
});

describe("while Redis takes calls and does not answer", () => {
  test.each(["a port", "a socket"])("creates are refused in time, whenever they came: on %s", async (where) => {
    const redis = await startRedis({ port: where === "a port", aof: "always" });
    const clock = new HeldClock();
    const server = await startOn(redis, { NUM_WORKERS: "0" }, {}, clock);
    await created(server, { type: "echo" });
    await redis.kill("SIGSTOP");
    clock.hold();
    try {
      // One after the other: those that come while another one waits must not wait for it first.
      const waits: (readonly [reason: string, ms: number])[] = [];
      const creates = 12;
      for (let n = 0; n < 2 * creates; n++) {
        const made = clock.monotonic();
        const note = ({ reason }: { reason: string }) => waits.push([reason, clock.monotonic() - made]);
        if (n < creates) void server.engine.jobs.create({ type: "echo" }).then(() => note({ reason: "none" }), note);
        await clock.advance(250);
      }
      expect(waits.map(([reason]) => reason)).toEqual(Array.from({ length: creates }, () => "BACKEND_UNAVAILABLE"));
      expect(Math.max(...waits.map(([, ms]) => ms))).toBeLessThanOrEqual(ANSWER_MS);
    } finally {
      clock.release();
    }
    await untilHealth(server, "NOT_SERVING");
    expect(await health(server)).toEqual({ code: 503, status: "NOT_SERVING" });
    expect(await refusedInTime(server.jobs.createJob({ type: "echo" }))).toMatchObject({ ...AWAY, retryMs: 1000 });
    await redis.kill("SIGCONT");
    await untilHealth(server, "SERVING");
    await created(server, { type: "echo" });
  });

  test("a job whose completion got no answer is completed once", async () => {
    const redis = await startRedis({ aof: "always" });
    const started = signal();
    const release = signal();
    const held = async () => {
      started.fire();
      await release.fired;
    };
    const server = await startOn(redis, {}, { held });
    const id = await created(server, { type: "held" });
    await reaches(server, id, JobStatus.RUNNING);
    await redis.kill("SIGSTOP");
    release.fire();
    await untilHealth(server, "NOT_SERVING");
    await redis.kill("SIGCONT");
    await untilHealth(server, "SERVING");
    expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE, deliveries: 1, revision: 3 });
    expect(await server.metrics()).toMatch(/gotaskq_jobs_processed_total\{.*status="done".*\} 1\b/);
  });
});

/** How a Redis is made to refuse writes, and how it is made to take them again. */
const REFUSALS: readonly (readonly [
  what: string,
  refuse: (redis: RedisServer) => Promise<unknown>,
  accept: (redis: RedisServer) => Promise<unknown>,
])[] = [
  [
    "because replicas are missing",
    (redis) => redis.client().config("SET", "min-replicas-to-write", 1),
    (redis) => redis.client().config("SET", "min-replicas-to-write", 0),
  ],
  [
    "because it cannot write to its disk",
    async (redis) => {
      const admin = redis.client();
      await admin.config("SET", "save", "3600 1");
      // A folder cannot be replaced by a file, not even by root.
      await mkdir(join(redis.dir, "dump.rdb"));
      await admin.bgsave();
      const refuses = () =>
        admin.set("probe", "").then(
          () => undefined,
          () => true as const,
        );
      await eventually(refuses, "a Redis that refuses writes");
    },
    async (redis) => {
      await rm(join(redis.dir, "dump.rdb"), { recursive: true });
      await redis.client().bgsave();
    },
  ],
];

describe("while Redis takes no writes", () => {
  test.each(REFUSALS)(
    "%s: the server does not serve, creates are refused, and all goes on after it",
    async (_, refuse, accept) => {
      const redis = await startRedis();
      const prefix = newPrefix();
      const server = await startOn(redis, { REDIS_PREFIX: prefix });
      const idle = await startOn(redis, { REDIS_PREFIX: prefix, NUM_WORKERS: "0" });
      const id = await created(server, { type: "unknown-to-all" });
      await refuse(redis);
      expect(await refusedInTime(server.jobs.createJob({ type: "echo" }))).toMatchObject({ ...AWAY, retryMs: 1000 });
      // The other one finds out though nobody writes anything by it.
      for (const each of [server, idle]) {
        await untilHealth(each, "NOT_SERVING");
        expect(await each.metrics()).toContain("gotaskq_backend_up 0");
        expect((await each.jobs.getJob({ id })).job).toMatchObject({ status: JobStatus.PENDING });
      }
      await refusedInTime(idle.jobs.createJob({ type: "echo" }));
      await accept(redis);
      for (const each of [server, idle]) {
        await untilHealth(each, "SERVING");
        expect(await each.metrics()).toContain("gotaskq_backend_up 1");
        expect(await finished(each, await created(each, { type: "echo" }))).toMatchObject({ status: JobStatus.DONE });
      }
    },
  );
});

describe("when Redis comes back without its data", () => {
  test("the default queue and QUEUES are made anew, and the server goes on", async () => {
    const redis = await startRedis();
    const server = await startOn(redis, { QUEUES: "mail,print" });
    const lost = await created(server, { queue: "mail", type: "unknown-to-all" });
    await redis.restart();
    await untilHealth(server, "SERVING");
    const names = async () => (await server.queues.listQueues({})).queues.map(({ name }) => name);
    await eventually(async () => ((await names()).length === 3 ? true : undefined), "the queues");
    expect(await names()).toEqual(["default", "mail", "print"]);
    expect(await refusal(server.jobs.getJob({ id: lost }))).toMatchObject({ code: "NOT_FOUND" });
    for (const queue of ["", "mail"]) {
      expect(await finished(server, await created(server, { queue, type: "echo" }))).toMatchObject({ deliveries: 1 });
    }
  });

  test("as after FLUSHALL, where no connection breaks, they are made anew at the next create", async () => {
    const redis = await startRedis();
    const admin = redis.client();
    const server = await startOn(redis, { QUEUES: "mail" });
    const leave = new AbortController();
    await created(server, { queue: "mail", type: "unknown-to-all" });
    const old = await reading(server.jobs.watchJobs({}, { signal: leave.signal })).next();
    await admin.flushall();
    const id = await created(server, { type: "echo" });
    expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE });
    const remade = async () => {
      const { queues } = await server.queues.listQueues({});
      return queues.length === 2 ? queues.map(({ name }) => name) : undefined;
    };
    expect(await eventually(remade, "the queues")).toEqual(["default", "mail"]);
    expect(await finished(server, await created(server, { queue: "mail", type: "echo" }))).toMatchObject({
      status: JobStatus.DONE,
    });
    // Cursors into the lost logs are too old; a new watch shows nothing of what was lost.
    expect(await refusal(reading(server.jobs.watchJobs({ cursor: old.cursor })).rest())).toMatchObject({
      reason: "WATCH_COMPACTED",
    });
    const fresh = reading(server.jobs.watchJobs({}, { signal: leave.signal }));
    await fresh.next();
    const next = await created(server, { queue: "mail", type: "unknown-to-all" });
    const { event } = await fresh.next();
    expect(event.case === "change" && event.value.jobId).toBe(next);
    leave.abort();
  });
});

describe("Redis forgets or refuses a little", () => {
  test("SCRIPT FLUSH: scripts are loaded again", async () => {
    const redis = await startRedis();
    const admin = redis.client();
    const server = await startOn(redis);
    for (let turn = 0; turn < 3; turn++) {
      await admin.script("FLUSH");
      expect(await finished(server, await created(server, { type: "echo" }))).toMatchObject({ deliveries: 1 });
    }
    expect(present((await server.queues.getQueue({ name: "default" })).queue).stats).toMatchObject({ done: 3 });
  });

  test("full memory: creates are refused, running jobs end, others start, and a server can be started to run them", async () => {
    const redis = await startRedis();
    const admin = redis.client();
    const prefix = newPrefix();
    const started = signal();
    const release = signal();
    const held = async () => {
      started.fire();
      await release.fired;
    };
    const env = { REDIS_PREFIX: prefix, NUM_WORKERS: "1" };
    const server = await startOn(redis, env, { held, quick: () => {} });
    const first = await created(server, { type: "held" });
    await started.fired;
    const waiting = await created(server, { type: "quick" });
    const other = await created(server, { type: "later" });
    await admin.config("SET", "maxmemory", "1");
    for (const call of [
      () => server.jobs.createJob({ type: "quick" }),
      () => server.jobs.batchCreateJobs({ requests: [{ type: "quick" }] }),
      () => server.queues.createQueue({ name: "mail" }),
    ]) {
      expect(await refusedInTime(call())).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "QUEUE_FULL",
        retryMs: 1000,
      });
    }
    expect(await health(server)).toEqual({ code: 200, status: "SERVING" });
    release.fire();
    expect(await finished(server, first)).toMatchObject({ status: JobStatus.DONE, deliveries: 1 });
    expect(await finished(server, waiting)).toMatchObject({ status: JobStatus.DONE, deliveries: 1 });
    await server.queues.updateQueue({
      queue: { name: "default", settings: { weight: 5 } },
      updateMask: { paths: ["settings.weight"] },
    });
    // A broken connection must not keep it from going on.
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const second = await startOn(redis, env, { later: () => {} });
    expect(await finished(second, other)).toMatchObject({ status: JobStatus.DONE });
    await untilHealth(server, "SERVING");
    await admin.config("SET", "maxmemory", "0");
    expect(await finished(server, await created(server, { type: "quick" }))).toMatchObject({ deliveries: 1 });
  });

  test.each(["normal", "pubsub"])(
    "CLIENT KILL of %s connections: each change is heard once, and none is missed",
    async (type) => {
      const redis = await startRedis();
      const admin = redis.client();
      const prefix = newPrefix();
      const server = await startOn(redis, { REDIS_PREFIX: prefix, NUM_WORKERS: "0" });
      // When the answer to a lease is lost, the job waits for the length of the lease.
      const worker = await startOn(redis, { REDIS_PREFIX: prefix, NUM_WORKERS: "4", LEASE_DURATION: "1s" });
      const leave = new AbortController();
      const changes = reading(server.jobs.watchJobs({}, { signal: leave.signal }));
      await changes.next();
      const ids: string[] = [];
      for (let turn = 0; turn < 20; turn++) {
        const batch = Array.from({ length: 5 }, () => server.jobs.createJob({ type: "echo" }));
        if (turn % 4 === 1) await admin.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
        for (const result of await Promise.allSettled(batch)) {
          if (result.status === "fulfilled") ids.push(present(result.value.job).id);
        }
      }
      expect(ids.length).toBeGreaterThan(80);
      for (const id of ids) expect(await finished(worker, id)).toMatchObject({ status: JobStatus.DONE });
      await untilHealth(server, "SERVING");
      const last = await created(server, { type: "echo" });
      const seen = await changes.until(
        ({ event }) => event.case === "change" && event.value.jobId === last && event.value.status === JobStatus.DONE,
      );
      leave.abort();
      const told = seen.flatMap(({ event }) =>
        event.case === "change" ? [`${event.value.jobId} ${event.value.revision}`] : [],
      );
      expect(new Set(told).size).toBe(told.length);
      for (const id of ids) {
        const revisions = told.filter((line) => line.startsWith(`${id} `)).map((line) => Number(line.split(" ")[1]));
        expect(revisions, `the changes of job ${id}`).toEqual(
          Array.from({ length: revisions.length }, (_, n) => n + 1),
        );
        expect(revisions.length).toBeGreaterThanOrEqual(3);
      }
    },
  );
});
