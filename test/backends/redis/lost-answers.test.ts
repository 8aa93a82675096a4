import { beforeEach, describe, expect, test } from "vitest";
import type { RedisBackend } from "../../../src/backends/redis/redis-backend.js";
import type { Change } from "../../../src/core/port/changes.js";
import type { Lease, Settlement } from "../../../src/core/port/leases.js";
import { newJob } from "../../support/job.js";
import { startRedis } from "../../support/redis.js";
import { eventually } from "../../support/wait.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  createQueue,
  done,
  expectRefused,
  fatal,
  lease,
  leaseOne,
  only,
  readAll,
  ref,
  statsOf,
} from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";
import { startProxy } from "./support/proxy.js";

let proxy: Awaited<ReturnType<typeof startProxy>>;
let backend: RedisBackend;
/** Another server, whose connections do not break. */
let witness: RedisBackend;

beforeEach(async () => {
  const redis = await startRedis({ port: true });
  proxy = await startProxy(redis.port ?? 0);
  const prefix = newPrefix();
  ({ backend: witness } = await openBackend({ url: redis.url, prefix, completeJobTtlMs: 0 }));
  await loadScripts(witness);
  ({ backend } = await openBackend({ url: `redis://127.0.0.1:${proxy.port}`, prefix, completeJobTtlMs: 0 }));
});

/** The changes since a cursor, when the other server has heard of these: it may be later than the answers. */
function heard(cursor: string, areThese: (changes: readonly Change[]) => boolean): Promise<readonly Change[]> {
  const look = async () => {
    const { changes } = await readAll(witness, cursor);
    return areThese(changes) ? changes : undefined;
  };
  return eventually(look, "the changes on the other server");
}

/** Redis has the scripts from then on, so that the first answer is that of the work, and not that a script is missing. */
async function loadScripts(server: RedisBackend): Promise<void> {
  await addDone(server);
  const token = "x.1";
  await Promise.allSettled([
    server.cancel("1"),
    server.update("1", { priority: 1 }),
    server.update("1", { payload: "1" }),
    server.replay(["1"]),
    server.remove(["1"], ["DEAD"]),
    server.fail([{ jobId: "1", token, error: "", retry: "NEVER", jitter: 0 }]),
    server.release([{ jobId: "1", token }]),
    server.purge("default"),
    lease(server, { requestId: "load" }),
  ]);
  await createQueue(server, "load");
  await server.deleteQueue("load", true);
}

describe("what Redis did before the connection broke is done once:", () => {
  test.each([
    ["a create", {}],
    ["a create with a request id", { requestId: "r" }],
    ["a create with a request id of a client's own making", { requestId: "auto:r" }],
    ["a delayed create", { delayMs: 60_000 }],
  ])("%s", async (_name, given) => {
    const cursor = await witness.head();
    const job = newJob(given);
    void proxy.loseNextAnswer();
    expect(only(await backend.enqueue([job])).id).toBe(job.id);
    const changes = await heard(cursor, ({ length }) => length > 0);
    expect(changes.map(({ jobId, revision }) => [jobId, revision])).toEqual([[job.id, 1]]);
    const { ready, scheduled } = await statsOf(witness);
    expect(ready + scheduled).toBe(1);
  });

  test("a create in a full queue, by the very job", async () => {
    await createQueue(witness, "small", { maxDepth: 1 });
    void proxy.loseNextAnswer();
    await backend.enqueue([newJob({ queue: "small" })]);
    expect(await statsOf(witness, "small")).toMatchObject({ ready: 1 });
  });

  test("a create over two queues", async () => {
    await createQueue(witness, "other", { maxDepth: 1 });
    const jobs = [newJob(), newJob({ queue: "other" })];
    const cursor = await witness.head();
    void proxy.loseNextAnswer();
    expect((await backend.enqueue(jobs)).map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
    expect(await heard(cursor, ({ length }) => length > 1)).toHaveLength(2);
  });

  test("a create, also when its job is gone before it is repeated", async () => {
    const job = newJob({ type: "quick" });
    const created = backend.enqueue([job]);
    await proxy.loseNextAnswer(async () => {
      await witness.complete([done(await leaseOne(witness, { types: ["quick"] }))]);
      expect(await witness.get([job.id])).toEqual([undefined]);
    });
    expect(only(await created)).toMatchObject({ id: job.id, deduplicated: false });
    expect(await statsOf(witness)).toMatchObject({ ready: 0, completed: 2 });
  });

  test("a create in a full queue is refused once and for all", async () => {
    await createQueue(witness, "small", { maxDepth: 1 });
    const id = await addOne(witness, { queue: "small" });
    const refused = backend.enqueue([newJob({ queue: "small" })]);
    await Promise.all([proxy.loseNextAnswer(() => witness.cancel(id)), expectRefused(refused, "QUEUE_FULL")]);
    expect(await statsOf(witness, "small")).toMatchObject({ ready: 0 });
  });

  test.each<[string, (lease: Lease) => Promise<readonly Settlement[]>, string]>([
    ["a completion", (lease) => backend.complete([done(lease)]), "DONE"],
    ["a failure", (lease) => backend.fail([{ ...ref(lease), error: "e", retry: "DEFAULT", jitter: 0 }]), "PENDING"],
    ["the last failure", (lease) => backend.fail([fatal(lease)]), "DEAD"],
    ["a release", (lease) => backend.release([ref(lease)]), "PENDING"],
  ])("%s counts, and is told as what it was", async (_name, settle, status) => {
    const id = await addOne(witness);
    const lease = await leaseOne(backend);
    const cursor = await witness.head();
    void proxy.loseNextAnswer();
    expect(await settle(lease)).toMatchObject([{ outcome: "APPLIED", applied: { status, type: "echo" } }]);
    const last = (changes: readonly Change[]) => changes.filter(({ jobId }) => jobId === id).at(-1);
    const changes = await heard(cursor, (all) => last(all)?.status === status);
    expect(new Set(changes.map(({ revision }) => revision)).size).toBe(changes.length);
  });

  test("a cancel", async () => {
    const id = await addOne(witness);
    void proxy.loseNextAnswer();
    expect(await backend.cancel(id)).toMatchObject({ id, status: "CANCELED" });
    expect(await witness.get([id])).toEqual([undefined]);
  });

  test("an update, and is told as what it was", async () => {
    const id = await addOne(witness);
    const updated = backend.update(id, { delayMs: 60_000, priority: 3, payload: '"new"' });
    // The repeat comes when the job runs, and finds it so.
    await proxy.loseNextAnswer(async () => {
      await witness.update(id, { delayMs: 0, priority: 4 });
      await leaseOne(witness);
    });
    expect(await updated).toMatchObject({ id, status: "PENDING", revision: 2, priority: 3, payload: '"new"' });
    expect(only(await witness.get([id]))).toMatchObject({ status: "RUNNING", revision: 4, priority: 4 });
  });

  test("an update whose answer is too large to be kept, and the job is told as it is by then", async () => {
    const id = await addOne(witness);
    const payload = JSON.stringify("x".repeat(200_000));
    const updated = backend.update(id, { payload });
    await proxy.loseNextAnswer(async () => {
      await leaseOne(witness);
    });
    expect(await updated).toMatchObject({ id, status: "RUNNING", revision: 3, payload });
  });

  test("a replay, also of a job that is gone again", async () => {
    const id = await addDead(witness);
    const replayed = backend.replay([id, "1"]);
    await proxy.loseNextAnswer(async () => {
      // Once the witness has heard of it.
      const [leased] = await eventually(async () => {
        const leases = await lease(witness, { types: ["doomed"] });
        return leases.length > 0 ? leases : undefined;
      }, "the job to run");
      await witness.complete([done(leased as Lease)]);
    });
    expect(await replayed).toEqual([{ outcome: "APPLIED", job: undefined }, { outcome: "NOT_FOUND" }]);
  });

  test("a removal", async () => {
    const id = await addDead(witness);
    void proxy.loseNextAnswer();
    expect(await backend.remove([id], ["DEAD"])).toMatchObject([{ outcome: "APPLIED" }]);
  });

  test("a change of all that match", async () => {
    const ids = [await addDead(witness), await addDead(witness, {}, "x"), await addDead(witness, {}, "x")];
    void proxy.loseNextAnswer();
    expect(await backend.act("DELETE", ids, { errorEquals: "x" })).toBe(2);
    void proxy.loseNextAnswer();
    expect(await backend.act("REPLAY", ids, {})).toBe(1);
    void proxy.loseNextAnswer();
    expect(await backend.act("CANCEL", ids, {})).toBe(1);
  });

  test("a purge", async () => {
    await add(witness, {}, {}, {});
    void proxy.loseNextAnswer();
    expect(await backend.purge("default", 2)).toBe(2);
    expect(await statsOf(witness)).toMatchObject({ ready: 1 });
  });

  test("a new queue, and its deletion", async () => {
    void proxy.loseNextAnswer();
    expect(await createQueue(backend, "new", { weight: 3 })).toMatchObject({ name: "new", settings: { weight: 3 } });
    void proxy.loseNextAnswer();
    await backend.deleteQueue("new", false);
    expect(await witness.queues(["new"])).toEqual([]);
  });
});

describe("leases whose answer was lost", () => {
  test("are got by the repeat, and count as one delivery", async () => {
    const ids = await add(witness, {}, {}, { type: "other" });
    void proxy.loseNextAnswer();
    const leases = await lease(backend, { max: 5, types: ["echo"] });
    expect(leases.map(({ job }) => [job.id, job.deliveries])).toEqual([
      [ids[0], 1],
      [ids[1], 1],
    ]);
    expect(await backend.complete(leases.map((each) => done(each)))).toMatchObject([
      { outcome: "APPLIED" },
      { outcome: "APPLIED" },
    ]);
  });

  test("for good are given back as if they had never been", async () => {
    const ids = await add(witness, {}, {});
    const leased = lease(backend, { max: 5, leaseMs: 60_000 });
    // Until the call has given up.
    await Promise.all([
      proxy.loseNextAnswer(() => leased.catch(() => {})),
      expectRefused(leased, "BACKEND_UNAVAILABLE"),
    ]);
    const isBack = async () => (await statsOf(witness)).ready === 2 || undefined;
    await eventually(isBack, "the jobs to be ready again");
    const jobs = await witness.get(ids);
    expect(jobs).toMatchObject([
      { status: "PENDING", deliveries: 0, lostLeases: 0, attemptErrors: [] },
      { status: "PENDING", deliveries: 0, lostLeases: 0, attemptErrors: [] },
    ]);
    expect((await lease(backend, { max: 5 })).map(({ job }) => [job.id, job.deliveries])).toEqual(
      ids.map((id) => [id, 1]),
    );
  });
});

describe("a poll with a request id", () => {
  const poll = { requestId: "r", worker: "w", max: 2, leaseMs: 60_000 };
  const idsOf = (leases: readonly Lease[]) => leases.map(({ job }) => job.id).toSorted();

  test("that comes to another server gets the same leases", async () => {
    for (const name of ["a", "b"]) await createQueue(witness, name);
    await add(witness, { queue: "a" }, { queue: "b" }, { queue: "b" }, { queue: "b" });
    const first = await lease(backend, { ...poll, queues: ["a", "b"] });
    expect(idsOf(await lease(witness, { ...poll, queues: ["b", "a"] }))).toEqual(idsOf(first));
    expect(idsOf(await lease(witness, { ...poll, queues: [], max: 0 }))).toEqual(idsOf(first));
  });

  test("that is at two servers at once leases once", async () => {
    const names = ["a", "b", "c"];
    for (const name of names) await createQueue(witness, name);
    for (let round = 0; round < 20; round++) {
      await add(witness, ...names.flatMap((queue) => [{ queue }, { queue }]));
      const at = (server: RedisBackend, queues: string[]) => lease(server, { ...poll, requestId: `r${round}`, queues });
      const both = await Promise.all([at(backend, names), at(witness, names.toReversed())]);
      const found = both.filter((leases) => leases.length > 0);
      expect(found.length).toBeGreaterThan(0);
      for (const leases of found) expect(idsOf(leases)).toEqual(idsOf(found[0] as readonly Lease[]));
      const again = await at(backend, names);
      expect(idsOf(again)).toEqual(idsOf(found[0] as readonly Lease[]));
      const running = await Promise.all(names.map(async (name) => (await statsOf(witness, name)).running));
      expect(running.reduce((sum, count) => sum + count)).toBe(again.length);
      await witness.complete(again.map((each) => done(each)));
      for (const name of names) await witness.purge(name);
    }
  });

  test("whose answer was lost for good gets its leases when it comes again", async () => {
    const ids = await add(witness, {}, {}, {});
    const leased = lease(backend, poll);
    await Promise.all([
      proxy.loseNextAnswer(() => leased.catch(() => {})),
      expectRefused(leased, "BACKEND_UNAVAILABLE"),
    ]);
    // It had claimed the poll, or leased already.
    const again = await lease(witness, poll);
    expect(idsOf(again)).toEqual(ids.slice(0, 2).toSorted());
    expect(idsOf(await lease(witness, poll))).toEqual(idsOf(again));
    expect((await statsOf(witness)).running).toBe(2);
  });

  test("asks a bounded number of keys, however many polls there were", async () => {
    await addOne(witness);
    const redis = await startRedis();
    expect(await lease(witness, poll)).toHaveLength(1);
    for (let at = 0; at < 300; at++) expect(await lease(witness, { ...poll, requestId: `none ${at}` })).toEqual([]);
    const keys = await redis.client().keys("*lease_call*");
    expect(keys.length).toBeLessThanOrEqual(2);
  });
});
