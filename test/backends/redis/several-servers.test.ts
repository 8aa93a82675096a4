import { beforeAll, describe, expect, test } from "vitest";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import { LEASE_NODE } from "../../../src/backends/redis/scripts/registry.js";
import type { Engine } from "../../../src/core/engine.js";
import { silentObserver } from "../../../src/core/observer.js";
import type { Change } from "../../../src/core/port/changes.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { reading } from "../../support/rpc.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { add, addDead, createQueue, done, lease, leaseOne, only, readAll, statsOf } from "../contract/support.js";
import { commandCounts, newPrefix, openBackend, openEngine } from "./support/open.js";

let redis: RedisServer;
let at: { url: string; prefix: string };

beforeAll(async () => {
  redis = await startRedis();
});

/** Sets and returns `at`: the URL of this file's Redis and a new prefix, for one test. */
function place() {
  at = { url: redis.url, prefix: newPrefix() };
  return at;
}

/** The events of a watch, without heartbeats. */
async function* events<T extends { readonly kind: string }>(watch: AsyncIterable<T>) {
  for await (const event of watch) if (event.kind === "event") yield event as Extract<T, { kind: "event" }>;
}

describe("several servers on one Redis", () => {
  test("a job created on one runs on another, at once", async () => {
    place();
    const one = await openEngine(at, { numWorkers: 0 });
    const ran = signal();
    const two = await openEngine(at, { handlers: { work: () => ran.fire() } });
    const { job } = await one.jobs.create({ type: "work" });
    await within(ran.fired, "the run of the job", 1000);
    const watch = reading(events(one.watches.watchJob(job.id, new AbortController().signal)));
    expect((await watch.rest()).at(-1)?.job).toMatchObject({ status: "DONE", worker: "test", deliveries: 1 });
    expect(await two.jobs.get(job.id)).toMatchObject({ status: "DONE" });
  });

  test("a delayed job created on one starts on time on another", async () => {
    place();
    const one = await openEngine(at, { numWorkers: 0 });
    const pickups: number[] = [];
    const observer = { ...silentObserver, leased: (_q: string, _t: string, ms: number) => void pickups.push(ms) };
    const ran = signal();
    await openEngine(at, { handlers: { work: () => ran.fire() }, observer });
    await one.jobs.create({ type: "work", delayMs: 150 });
    await within(ran.fired, "the run of the job", 2000);
    expect(only(pickups)).toBeGreaterThanOrEqual(0);
  });

  test("a queue that is made, paused, changed and deleted on one is seen by the other", async () => {
    place();
    const one = await openEngine(at, { numWorkers: 0 });
    const ran: string[] = [];
    const two = await openEngine(at, { handlers: { work: (job) => void ran.push(String(job.payload)) } });
    const seen = async (wanted: string) => {
      const names = await two.backend.queueNames();
      return names.some(({ name }) => name === "mail") === (wanted === "there") || undefined;
    };
    await one.queues.create("mail", { weight: 7 });
    await eventually(() => seen("there"), "the new queue", 1000);
    expect(await two.queues.get("mail")).toMatchObject({ settings: { weight: 7 }, paused: false });
    const first = await one.jobs.create({ queue: "mail", type: "work", payload: '"first"' });
    const isDone = (id: string) => async () => ((await one.jobs.get(id)).status === "DONE" ? true : undefined);
    await eventually(isDone(first.job.id), "the run in the new queue", 1000);

    await one.queues.pause("mail");
    expect((await two.queues.get("mail")).paused).toBe(true);
    const second = await two.jobs.create({ queue: "mail", type: "work", payload: '"second"' });
    const third = await two.jobs.create({ type: "work", payload: '"third"' });
    await eventually(isDone(third.job.id), "the run beside a paused queue", 1000);
    expect(ran).toEqual(["first", "third"]);
    await one.queues.resume("mail");
    await eventually(isDone(second.job.id), "the run after the pause", 1000);

    await one.queues.update("mail", { weight: 9 });
    const heavier = async () => (await two.backend.queueNames()).find(({ weight }) => weight === 9);
    expect(await eventually(heavier, "the new weight", 1000)).toEqual({ name: "mail", weight: 9 });

    await one.queues.remove("mail", true);
    await eventually(() => seen("gone"), "the end of the queue", 1000);
    await expect(two.jobs.create({ queue: "mail", type: "work" })).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  });

  test("what was made on one can be asked of the other the moment it is answered", async () => {
    place();
    const { backend: one } = await openBackend(at);
    const { backend: two } = await openBackend(at);
    for (let turn = 0; turn < 20; turn++) {
      const queue = `queue-${turn}`;
      await createQueue(one, queue);
      const [id = ""] = await add(one, { queue });
      expect((await two.get([id]))[0], `the job of turn ${turn}`).toMatchObject({ id, queue });
      const leased = await leaseOne(one, { queues: [queue] });
      expect(only(await two.complete([done(leased)])).outcome, `the completion of turn ${turn}`).toBe("APPLIED");
    }
  });

  test("a watch on one shows every change that many make, in order and without a gap", async () => {
    place();
    const watcher = await openEngine(at, { numWorkers: 0 });
    const workers: Engine[] = [];
    for (let n = 0; n < 3; n++) workers.push(await openEngine(at, { handlers: { work: (job) => job.payload } }));
    const leave = new AbortController();
    const jobs = 300;
    const stories = new Map<string, Change[]>();
    let finished = 0;
    const watch = watcher.watches.watchJobs({}, undefined, leave.signal);
    // The watch is established when it has its first position.
    await within(watch.next(), "the first heartbeat");
    const watched = (async () => {
      for await (const { change } of events(watch)) {
        stories.set(change.jobId, [...(stories.get(change.jobId) ?? []), change]);
        if (change.status === "DONE" && ++finished === jobs) return;
      }
    })();
    const ids = await Promise.all(
      Array.from({ length: jobs }, async (_, n) => {
        const { job } = await (workers[n % 3] as Engine).jobs.create({ type: "work", payload: String(n) });
        return job.id;
      }),
    );
    await within(watched, "the end of every job");
    leave.abort();
    for (const id of ids) {
      expect(stories.get(id)?.map(({ status, revision }) => `${status} ${revision}`)).toEqual([
        "PENDING 1",
        "RUNNING 2",
        "DONE 3",
      ]);
    }
  });

  test("a cursor of one is valid on the other, and on one that starts later", async () => {
    place();
    const { backend: one } = await openBackend(at);
    const { backend: two } = await openBackend(at);
    await createQueue(one, "mail");
    await add(one, {}, {});
    const cursor = await one.head();
    const ids = await add(two, { queue: "mail" }, {}, { queue: "mail" });
    const { backend: three } = await openBackend(at);
    for (const backend of [one, two, three]) {
      const { changes, next } = await readAll(backend, cursor);
      expect(changes.map(({ jobId }) => jobId).toSorted()).toEqual(ids.toSorted());
      expect((await readAll(one, next)).changes).toEqual([]);
    }
  });

  test("whatever is asked of a job is one call, on a server that never saw it, and of one that does not exist", async () => {
    place();
    const { backend: one } = await openBackend(at);
    for (const name of ["a", "b"]) await createQueue(one, name);
    const [id = ""] = await add(one, { queue: "b" });
    const dead = await addDead(one, { queue: "a" });
    const [lease] = await one.lease({ queues: ["b"], types: ["echo"], max: 1, leaseMs: 60_000, worker: "w" });
    const token = lease?.token ?? "";
    const { backend: two } = await openBackend(at);
    const admin = redis.client();
    const monitor = await admin.monitor();
    const commands: string[] = [];
    let isOver = signal();
    monitor.on("monitor", (_time: string, [name = "", ...args]: string[], source: string) => {
      if (source !== "lua" && args.some((arg) => arg.startsWith(at.prefix))) commands.push(name.toLowerCase());
      if (args[0] === "over") isOver.fire();
    });
    const counted = async (what: () => Promise<unknown>) => {
      commands.length = 0;
      isOver = signal();
      await what().catch(() => {});
      await admin.echo("over");
      await within(isOver.fired, "the end of what is monitored");
      return [...commands];
    };
    const askedOf = (jobId: string): (() => Promise<unknown>)[] => [
      () => two.get([jobId]),
      () => two.extend([{ jobId, token, leaseMs: 60_000 }]),
      () => two.cancel(jobId),
      () => two.fail([{ jobId, token, error: "", retry: "NEVER", jitter: 0 }]),
      () => two.release([{ jobId, token }]),
      () => two.complete([{ jobId, token, result: undefined }]),
      () => two.replay([jobId]),
      () => two.remove([jobId], ["DEAD"]),
    ];
    // Redis knows every script from now on.
    await counted(() => Promise.allSettled(askedOf("2").map((ask) => ask())));
    for (const jobId of [id, "1", "1@a", "1@nowhere"]) {
      for (const ask of askedOf(jobId)) expect(await counted(ask), `${ask} of ${jobId}`).toEqual(["evalsha"]);
    }
    expect(await counted(() => two.get(["1", "2", id, "1@a", dead, "3@nowhere"]))).toHaveLength(4);
    monitor.disconnect();
  });

  test("creates of many callers share script calls", async () => {
    place();
    const engine = await openEngine(at, { numWorkers: 0 });
    const admin = redis.client();
    await engine.jobs.create({ type: "idle" });
    await admin.config("RESETSTAT");
    const callers = 64;
    const each = 20;
    await Promise.all(
      Array.from({ length: callers }, async () => {
        for (let n = 0; n < each; n++) await engine.jobs.create({ type: "idle" });
      }),
    );
    expect(await statsOf(engine.backend)).toMatchObject({ ready: callers * each + 1 });
    const calls = (await commandCounts(admin)).get("evalsha") ?? 0;
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan((callers * each) / 16);
  });

  test("servers with nothing to do ask nothing", async () => {
    place();
    const engines: Engine[] = [];
    for (let n = 0; n < 3; n++) engines.push(await openEngine(at, { handlers: { work: () => {} } }));
    const admin = redis.client();
    const [one] = engines as [Engine];
    const { job } = await one.jobs.create({ type: "work" });
    await reading(one.watches.watchJob(job.id, new AbortController().signal)).rest();
    // Redis tells how long each connection has been silent: a server that asks now and then never reaches this. Not all at the same time:
    // each has a heartbeat of its own.
    const silent = new Set<string>();
    const silentS = async () => {
      const connections = String(await admin.call("CLIENT", "LIST")).split("\n");
      const ofServers = connections.filter((line) => / name=gotaskq /.test(line));
      expect(ofServers).toHaveLength(engines.length);
      for (const line of ofServers)
        if (Number(/ idle=(\d+)/.exec(line)?.[1]) >= 2) silent.add(line.split(" ", 1)[0] ?? "");
      return silent.size === engines.length || undefined;
    };
    await eventually(silentS, "every server to be silent for two seconds");
  });

  test("one of them leases a job, and not all look", async () => {
    place();
    const ran = new Set<string>();
    const handlers = { work: ({ id }: { id: string }) => void ran.add(id) };
    const engines: Engine[] = [];
    for (let n = 0; n < 6; n++) engines.push(await openEngine(at, { handlers }));
    const admin = redis.client();
    const run = async (engine: Engine | undefined) => {
      const job = (await engine?.jobs.create({ type: "work" }))?.job;
      await eventually(async () => ran.has(job?.id ?? "") || undefined, "the job to run");
    };
    await run(engines[0]);
    await admin.config("RESETSTAT");
    for (let n = 0; n < 30; n++) await run(engines[n % 6]);
    // Create, lease and complete, and a look of whoever created it; all six would be nine.
    expect(((await commandCounts(admin)).get("evalsha") ?? 0) / 30).toBeLessThan(6);
    // Whose turn it would be is gone: the others take its jobs.
    await engines[1]?.stop(0);
    await engines[0]?.stop(0);
    for (let n = 2; n < 6; n++) await run(engines[n]);
  });

  test("one of them sweeps what is due, not all", async () => {
    place();
    const engines: Engine[] = [];
    for (let n = 0; n < 4; n++) engines.push(await openEngine(at, { numWorkers: 0 }));
    const [one] = engines as [Engine];
    const admin = redis.client();
    const jobs = 30;
    await one.jobs.create({ type: "idle", delayMs: 1 });
    const ready = (count: number) => async () => {
      return (await admin.zcard(`${at.prefix}:{default}:ready:idle`)) === count || undefined;
    };
    await eventually(ready(1), "the first job to be ready");
    await admin.config("RESETSTAT");
    // One after the other, 20 ms apart, so that each is due alone.
    await one.jobs.createBatch(Array.from({ length: jobs }, (_, n) => ({ type: "idle", delayMs: 40 + 20 * n })));
    await eventually(ready(jobs + 1), "all jobs to be ready");
    const sweeps = ((await commandCounts(admin)).get("evalsha") ?? 0) - 1;
    expect(sweeps).toBeGreaterThan(0);
    expect(sweeps).toBeLessThanOrEqual(2 * jobs);
  });
});

describe("node ids", () => {
  test("are the server's own while it runs, and so are job ids", async () => {
    place();
    const backends = [];
    for (let n = 0; n < 12; n++) backends.push((await openBackend(at)).backend);
    expect(backends.map(({ node }) => node)).toEqual(Array.from({ length: 12 }, (_, n) => n));
    const ids = backends.flatMap(({ ids: source }) => Array.from({ length: 500 }, () => source.next()));
    expect(new Set(ids).size).toBe(ids.length);
    const [first, second] = backends;
    await first?.stop();
    await second?.stop();
    // A node id that was never used goes before one that was given back.
    expect((await openBackend(at)).backend.node).toBe(12);
  });

  test("that were given back are used again, the oldest first; when all are in use a server does not start", async () => {
    place();
    const admin = redis.client();
    const { nodes, owners, nodeFeatures, nodeTaken } = createKeys(at.prefix);
    const keys = [nodes, owners, nodeFeatures, nodeTaken];
    const lease = async (owner: string, node = "") =>
      ((await admin.eval(LEASE_NODE, 4, ...keys, owner, node, 60_000, "", "?")) as number[])[0];
    for (let n = 0; n < 1023; n++) expect(await lease(`owner-${n}`)).toBe(n);
    const { backend: last } = await openBackend(at);
    expect(last.node).toBe(1023);
    const late = openBackend(at);
    await expect(late).rejects.toMatchObject({
      name: "RedisUnusable",
      message: expect.stringMatching(/1024 node ids/),
    });
    await admin.zadd(nodes, 2000, 7, 1000, 9, 3000, 5);
    expect((await openBackend(at)).backend.node).toBe(9);
    expect((await openBackend(at)).backend.node).toBe(7);
    await last.stop();
    expect((await openBackend(at)).backend.node).toBe(5);
    expect((await openBackend(at)).backend.node).toBe(1023);
    // The server whose claim has expired learns that the id belongs to another one now.
    expect(await lease("owner-9", "9")).toBe(-1);
    expect(await lease("owner-8", "8")).toBe(8);
  });

  test("that another took meanwhile are given up: the server makes ids with a new one", async () => {
    place();
    const { backend, heard } = await openBackend(at);
    const admin = redis.client();
    expect(backend.node).toBe(0);
    await admin.hset(`${at.prefix}:{*}:owners`, 0, "somebody");
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await eventually(async () => (heard.resyncsHeard > 0 ? true : undefined), "the server to go on");
    expect(backend.node).toBe(1);
    expect((BigInt(backend.ids.next()) >> 12n) & 1023n).toBe(1n);
  });

  test("a batch is refused, not made, when an id is not there: nothing is created", async () => {
    place();
    const { backend } = await openBackend(at);
    await add(backend, {});
    await backend.stop();
    expect(() => backend.ids.next()).toThrow(expect.objectContaining({ reason: "BACKEND_UNAVAILABLE" }));
    await expect(backend.enqueue([newJob()])).rejects.toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
    const { backend: other } = await openBackend(at);
    expect(await statsOf(other)).toMatchObject({ ready: 1 });
    expect(await lease(other)).toHaveLength(1);
  });
});
