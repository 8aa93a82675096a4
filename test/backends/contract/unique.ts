import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { EnqueueResult, NewJob } from "../../../src/core/port/new-jobs.js";
import { jobBytes } from "../../../src/model/job/job.js";
import { REQUEST_ID_TTL_MS } from "../../../src/model/job/request-id.js";
import type { Unique } from "../../../src/model/job/unique.js";
import { newJob, TRACE } from "../../support/job.js";
import { firing, newSchedule } from "../../support/schedule.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addDone,
  addOne,
  asCreated,
  changesOf,
  createQueue,
  done,
  expectAbout,
  expectRefused,
  expectUntouched,
  failed,
  fatal,
  jobOf,
  lease,
  leasedIds,
  leaseOne,
  only,
  passTime,
  ref,
  statsOf,
  statuses,
  tickAll,
} from "./support.js";

const HOUR = 3_600_000;

/** A key that is held until the job is finished, unless something else is given. */
export function unique(given: Partial<Unique> = {}): Unique {
  return { key: "k", until: "FINISHED", holdMs: 0, ...given };
}

/** A job with that key. */
function only1(given: Partial<Unique> = {}): Partial<NewJob> {
  return { unique: unique(given) };
}

/** Creates one job, and returns what the store says. */
async function create(backend: Backend, given: Partial<NewJob> = {}): Promise<EnqueueResult> {
  return only(await backend.enqueue([newJob({ ...only1(), ...given })]));
}

/** The job that holds the key "k", or the one of `given`; undefined: nobody does. Changes nothing. */
async function holder(backend: Backend, given: Partial<NewJob> = {}): Promise<string | undefined> {
  const refusing = { ...only1(), onConflict: "REFUSE" } as const;
  // The last one is refused in any case.
  const other = { ...refusing, unique: unique({ key: "probe" }) };
  const error = await backend.enqueue([newJob({ ...refusing, ...given }), newJob(other), newJob(other)]).then(
    () => undefined,
    (thrown: { reason?: string; metadata?: Record<string, string> }) => thrown,
  );
  expect(error?.reason).toBe("JOB_EXISTS");
  const { job_id, index } = error?.metadata ?? {};
  expect(index).toBe(job_id === undefined ? "2" : "0");
  return job_id;
}

/** The ways in which a job with the key lets go of it, each from a job that was just created. */
const ENDS: readonly (readonly [string, (opened: OpenedBackend, id: string) => Promise<unknown>])[] = [
  ["is DONE", async ({ backend }) => backend.complete([done(await leaseOne(backend))])],
  ["is cancelled while it waits", ({ backend }, id) => backend.cancel(id)],
  [
    "is cancelled while it runs",
    async ({ backend }, id) => {
      const leased = await leaseOne(backend);
      await backend.cancel(id);
      expect(await holder(backend)).toBe(id);
      await backend.release([ref(leased)]);
    },
  ],
  [
    "is cancelled, and its worker is gone",
    async (opened, id) => {
      await leaseOne(opened.backend, { leaseMs: 1000 });
      await opened.backend.cancel(id);
      await passTime(opened, 2000);
    },
  ],
  ["dies", async ({ backend }) => backend.fail([fatal(await leaseOne(backend))])],
  [
    "is a poison job",
    async (opened) => {
      await leaseOne(opened.backend, { leaseMs: 1000 });
      await passTime(opened, 2000);
    },
  ],
  ["is purged", ({ backend }) => backend.purge("default")],
  ["expires", (opened) => passTime(opened, 61_000)],
  ["is cancelled with others", ({ backend }, id) => backend.act("CANCEL", [id], {})],
  [
    "is deleted with its queue",
    async ({ backend }) => {
      await backend.deleteQueue("default", true);
      await createQueue(backend, "default");
      await tickAll(backend);
    },
  ],
];

/** Jobs of which there is one at a time. */
export function describeUnique(open: Open): void {
  describe("a unique key", () => {
    test("is held from the creation on: a second job is not created, and the first is answered as it is", async () => {
      const { backend } = await open();
      const first = await create(backend, { unique: unique({ key: "it's |odd, \n é😀" }), priority: 3 });
      expect([first.deduplicated, first.met]).toEqual([false, undefined]);
      expect(await jobOf(backend, first.id)).toMatchObject({ unique: unique({ key: "it's |odd, \n é😀" }) });
      await expectUntouched(backend, [first.id], async () => {
        const second = await create(backend, {
          unique: unique({ key: "it's |odd, \n é😀" }),
          payload: "2",
          priority: 9,
        });
        const { createdAt, runAfter } = first;
        expect(second).toMatchObject({ id: first.id, deduplicated: true, met: "KEPT", createdAt, runAfter });
        expect(second.existing).toEqual(asCreated(await jobOf(backend, first.id)));
      });
      const leased = await leaseOne(backend);
      expect(leased.job.unique).toEqual(unique({ key: "it's |odd, \n é😀" }));
      expect((await create(backend, { unique: unique({ key: "it's |odd, \n é😀" }) })).existing?.status).toBe(
        "RUNNING",
      );
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 1 });
    });

    test("is one of its queue, whatever the type", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const first = await create(backend);
      expect(await create(backend, { type: "another" })).toMatchObject({ id: first.id, deduplicated: true });
      const others = [await create(backend, { queue: "other" }), await create(backend, only1({ key: "K" }))];
      expect(others.map(({ deduplicated }) => deduplicated)).toEqual([false, false]);
      expect(await add(backend, {}, {})).toHaveLength(2);
    });

    test.each(ENDS)("is free again once its job %s", async (_how, end) => {
      const opened = await open({ maxLostLeases: 0 });
      const { backend } = opened;
      const id = await addOne(backend, { ...only1(), ttlMs: 60_000 });
      expect(await holder(backend)).toBe(id);
      await end(opened, id);
      expect(await holder(backend)).toBeUndefined();
      const next = await create(backend);
      expect(next.deduplicated).toBe(false);
      expect(await holder(backend)).toBe(next.id);
    });

    test.each(ENDS.filter(([how]) => !/DONE|expires/.test(how)))(
      "is free then whatever its hold says: it %s",
      async (_how, end) => {
        const opened = await open({ maxLostLeases: 0 });
        const id = await addOne(opened.backend, only1({ holdMs: HOUR }));
        await end(opened, id);
        expect(await holder(opened.backend)).toBeUndefined();
      },
    );

    test("is held through retries, lost leases and releases", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, only1());
      await backend.fail([failed(await leaseOne(backend))]);
      expect(await holder(backend)).toBe(id);
      await passTime(opened, 1000);
      await leaseOne(backend, { leaseMs: 1000 });
      await passTime(opened, 2000);
      expect(await holder(backend)).toBe(id);
      await backend.release([{ ...ref(await leaseOne(backend)), delayMs: 5000 }]);
      expect(await holder(backend)).toBe(id);
      await backend.run(id);
      await backend.complete([done(await leaseOne(backend))]);
      expect(await holder(backend)).toBeUndefined();
    });

    test("until STARTED is free as soon as its job is handed out, which then comes back without it", async () => {
      const opened = await open();
      const { backend } = opened;
      const started = only1({ until: "STARTED" });
      const ids = [await addOne(backend, started)];
      expect(await holder(backend)).toBe(ids[0]);
      const first = await leaseOne(backend, { leaseMs: 60_000 });
      expect(await holder(backend)).toBeUndefined();
      ids.push(await addOne(backend, started));
      await backend.fail([failed(first)]);
      expect(await holder(backend)).toBe(ids[1]);
      await passTime(opened, 1000);
      // Both run at the same time.
      expect((await leasedIds(backend, { leaseMs: 1000 })).toSorted()).toEqual(ids.toSorted());
      ids.push(await addOne(backend, started));
      await passTime(opened, 2000);
      expect(await statuses(backend, ids)).toEqual(["PENDING", "PENDING", "PENDING"]);
      expect(await holder(backend)).toBe(ids[2]);
      await backend.complete((await lease(backend)).map((each) => done(each)));
      expect(await statuses(backend, ids)).toEqual(["DONE", "DONE", "DONE"]);
      expect(await holder(backend)).toBeUndefined();
    });

    test("of several jobs leased together is free for each", async () => {
      const { backend } = await open();
      const keys = ["a", "b", "c"];
      const make = () => add(backend, ...keys.map((key) => only1({ key, until: "STARTED" })), {}, only1({ key: "d" }));
      const first = await make();
      expect(await leasedIds(backend)).toEqual(first);
      const second = await make();
      expect(second.map((id) => first.includes(id))).toEqual([false, false, false, false, true]);
    });

    test("refuses a create that wants it so, with the job that holds it and the place in the batch, and creates nothing", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const id = await addOne(backend, only1());
      await expectRefused(create(backend, { onConflict: "REFUSE" }), "JOB_EXISTS");
      const batches = [
        [newJob(), newJob({ ...only1(), onConflict: "REFUSE" })],
        [newJob({ queue: "other" }), newJob({ ...only1(), onConflict: "REFUSE" })],
      ];
      for (const batch of batches) {
        const error = { reason: "JOB_EXISTS", metadata: { job_id: id, index: "1" } };
        await expect(backend.enqueue(batch)).rejects.toMatchObject(error);
      }
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
      expect(await statsOf(backend, "other")).toMatchObject({ ready: 0 });
    });

    test("is held by the first of a batch for the others", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const mine = newJob({ ...only1(), requestId: "mine", digest: "m" });
      const jobs = [
        newJob(),
        mine,
        newJob({ ...only1(), queue: "other" }),
        newJob(only1()),
        newJob(only1({ key: "z" })),
      ];
      const results = await backend.enqueue(jobs);
      expect(results.map(({ deduplicated }) => deduplicated)).toEqual([false, false, false, true, false]);
      expect(results[3]).toMatchObject({ id: mine.id, met: "KEPT", existing: { id: mine.id, revision: 1 } });
      const refusing = [newJob(only1({ key: "new" })), newJob({ ...only1({ key: "new" }), onConflict: "REFUSE" })];
      const error = { reason: "JOB_EXISTS", metadata: { index: "1" } };
      await expect(backend.enqueue(refusing)).rejects.toMatchObject(error);
      expect(await statuses(backend, [refusing[0]?.id ?? ""])).toEqual(["-"]);
    });

    test("counts in a large batch too, of which nothing is created when one is refused", async () => {
      const { backend } = await open();
      const keys = Array.from({ length: 250 }, (_, n) => `key ${n}`);
      const make = (payload: string, onConflict: NewJob["onConflict"] = "REPLACE") =>
        keys.map((key) => newJob({ ...only1({ key }), payload, onConflict }));
      const refused = [...make("1"), ...make("2", "REFUSE")];
      const error = { reason: "JOB_EXISTS", metadata: { index: "250" } };
      await expect(backend.enqueue(refused)).rejects.toMatchObject(error);
      expect(await statsOf(backend)).toMatchObject({ ready: 0 });
      const results = await backend.enqueue([newJob(), ...make("1"), ...make("2")]);
      expect(results.map(({ met }) => met ?? "NEW")).toEqual([
        ...Array.from({ length: 251 }, () => "NEW"),
        ...keys.map(() => "REPLACED"),
      ]);
      expect(results.slice(251).map(({ id }) => id)).toEqual(results.slice(1, 251).map(({ id }) => id));
      expect(new Set((await lease(backend)).map(({ job }) => job.payload))).toEqual(new Set(['{"n":1}', "2"]));
      expect(await statsOf(backend)).toMatchObject({ running: 251 });
    });

    test("is held by the first of many creates at once", async () => {
      const { backend } = await open();
      const results = await Promise.all(Array.from({ length: 50 }, () => create(backend)));
      expect(results.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1);
      expect(new Set(results.map(({ id }) => id)).size).toBe(1);
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
    });

    test("that is held leaves room in a full queue: only what is created counts", async () => {
      const { backend } = await open();
      await backend.updateQueue("default", { maxDepth: 1 });
      const id = await addOne(backend, only1());
      expect(await create(backend)).toMatchObject({ id, deduplicated: true });
      await expectRefused(create(backend, only1({ key: "other" })), "QUEUE_FULL");
      await expectRefused(backend.enqueue([newJob(only1()), newJob()]), "QUEUE_FULL");
    });
  });

  describe("a unique key and a hold", () => {
    test("keeps a DONE job and its key until then, to the moment, whatever else is kept", async () => {
      const opened = await open({ completeJobTtlMs: 1000, maxCompletedJobs: 1 });
      const { backend } = opened;
      const held = only1({ holdMs: 60_000 });
      const id = await addOne(backend, held);
      await backend.complete([done(await leaseOne(backend), '"well"')]);
      const others = [await addDone(backend), await addDone(backend)];
      await passTime(opened, 30_000);
      expect(await statuses(backend, [id, ...others])).toEqual(["DONE", "-", "-"]);
      expect(await create(backend, held)).toMatchObject({ id, deduplicated: true, existing: { result: '"well"' } });
      expect(await statsOf(backend)).toMatchObject({ ready: 0, done: 1, completed: 3 });
      await opened.advance(29_900 - opened.slackMs);
      expect(await holder(backend)).toBe(id);
      // No tick has come.
      await opened.advance(100 + opened.slackMs);
      expect(await holder(backend)).toBeUndefined();
      const next = await addOne(backend, held);
      await passTime(opened, 2000);
      expect(await statuses(backend, [id, next])).toEqual(["-", "PENDING"]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, done: 0 });
    });

    test("is let go of by a tick, which comes in time, and then the job counts as finished", async () => {
      const opened = await open({ completeJobTtlMs: 5000 });
      const { backend } = opened;
      const id = await addOne(backend, only1({ holdMs: 20_000 }));
      await backend.complete([done(await leaseOne(backend))]);
      const ticks = await tickAll(backend);
      expect(ticks.at(-1)?.nextInMs).toBeLessThanOrEqual(21_000);
      await passTime(opened, 21_000);
      expect(await statuses(backend, [id])).toEqual(["DONE"]);
      await passTime(opened, 7000);
      expect(await statuses(backend, [id])).toEqual(["-"]);
    });

    test("that is over before the job is finished changes nothing", async () => {
      const opened = await open({ completeJobTtlMs: 1000 });
      const { backend } = opened;
      const id = await addOne(backend, only1({ holdMs: 5000 }));
      const leased = await leaseOne(backend, { leaseMs: 60_000 });
      await passTime(opened, 10_000);
      expect(await holder(backend)).toBe(id);
      await backend.complete([done(leased)]);
      expect(await holder(backend)).toBeUndefined();
      await passTime(opened, 2000);
      expect(await statuses(backend, [id])).toEqual(["-"]);
    });

    test("holds the key of one that has started, while it runs and when it is done", async () => {
      const opened = await open({ completeJobTtlMs: 1000 });
      const { backend } = opened;
      const held = only1({ until: "STARTED", holdMs: 20_000 });
      const id = await addOne(backend, held);
      const leased = await leaseOne(backend, { leaseMs: 60_000 });
      await passTime(opened, 10_000);
      expect(await holder(backend)).toBe(id);
      await passTime(opened, 10_000);
      // It runs still.
      expect(await holder(backend)).toBeUndefined();
      const next = await addOne(backend, held);
      await backend.complete([done(leased)]);
      expect(await holder(backend)).toBe(next);
      await backend.complete([done(await leaseOne(backend))]);
      await passTime(opened, 10_000);
      expect(await statuses(backend, [id, next])).toEqual(["-", "DONE"]);
      expect(await holder(backend)).toBe(next);
      await passTime(opened, 20_000);
      await passTime(opened, 2000);
      expect(await statuses(backend, [next])).toEqual(["-"]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 0, done: 0, completed: 2 });
    });

    test("ends with its job: one that is deleted holds nothing", async () => {
      const opened = await open({ completeJobTtlMs: 1000 });
      const { backend } = opened;
      const ids: string[] = [];
      for (const remove of [
        (id: string) => backend.remove([id], ["DONE"]),
        (id: string) => backend.act("DELETE", [id], {}),
      ]) {
        const id = await addOne(backend, only1({ holdMs: HOUR }));
        ids.push(id);
        await backend.complete([done(await leaseOne(backend))]);
        expect(await holder(backend)).toBe(id);
        await remove(id);
        expect(await holder(backend)).toBeUndefined();
      }
      await passTime(opened, 2 * HOUR);
      expect(await statuses(backend, ids)).toEqual(["-", "-"]);
      expect(await statsOf(backend)).toMatchObject({ done: 0, completed: 2 });
      await addDone(backend);
      await passTime(opened, 3000);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, done: 0, completed: 3 });
    });

    test("is bounded by bytes: others go first, then those whose hold ends first, with their keys", async () => {
      const opened = await open({ maxCompletedBytes: 20_000 });
      const { backend, advance } = opened;
      const large = "1".repeat(4000);
      const finish = async (given: Partial<NewJob>) => {
        const id = await addOne(backend, given);
        await backend.complete([done(await leaseOne(backend), large)]);
        await advance(1000);
        await tickAll(backend);
        return id;
      };
      const later = await finish(only1({ key: "later", holdMs: 2 * HOUR }));
      const sooner = await finish(only1({ key: "sooner", holdMs: HOUR }));
      const plain = [await finish({}), await finish({}), await finish({}), await finish({})];
      expect(await statuses(backend, [later, sooner])).toEqual(["DONE", "DONE"]);
      expect(await statuses(backend, [plain[0] ?? ""])).toEqual(["-"]);
      const more: string[] = [];
      for (let at = 0; at < 6; at++) more.push(await finish(only1({ key: `more${at}`, holdMs: 3 * HOUR })));
      expect(await statuses(backend, [...plain, sooner, later])).toEqual(["-", "-", "-", "-", "-", "-"]);
      expect(await statuses(backend, more.slice(-2))).toEqual(["DONE", "DONE"]);
      expect(await holder(backend, only1({ key: "sooner" }))).toBeUndefined();
      expect(await holder(backend, only1({ key: "more5" }))).toBe(more[5]);
      const kept = (await backend.get(more)).flatMap((job) => job ?? []);
      expect(kept.reduce((sum, job) => sum + jobBytes(job), 0)).toBeLessThan(24_000);
      await passTime(opened, 4 * HOUR);
      await passTime(opened, HOUR);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, done: 0, completed: 12 });
    });
  });

  describe("a create that replaces the job that holds its unique key", () => {
    const replacing = { onConflict: "REPLACE" } as const;

    test("makes a waiting one what it asks for, in one change; it keeps its id, its creation and its uniqueness", async () => {
      const opened = await open();
      const { backend } = opened;
      const own = only1({ until: "STARTED", holdMs: 5000 });
      const id = await addOne(backend, {
        ...own,
        delayMs: 60_000,
        metadata: { a: "b" },
        priority: 2,
        traceContext: TRACE,
      });
      await addOne(backend, { type: "another", priority: 5 });
      const before = await jobOf(backend, id);
      const cursor = await backend.head();
      await opened.advance(1000);
      const spec = { type: "another", payload: "[2]", priority: 7, maxRetries: 1, timeoutMs: 9, metadata: { c: "d" } };
      const backoff = { baseDelayMs: 1, maxDelayMs: 2, multiplier: 3 };
      const created = await create(backend, { ...spec, ...replacing, backoff });
      const job = await jobOf(backend, id);
      expect(created).toMatchObject({ id, deduplicated: true, met: "REPLACED", runAfter: job.runAfter });
      expect(created.existing).toEqual(asCreated(job));
      const { updatedAt, runAfter, ...rest } = job;
      expect(rest).toEqual({
        ...before,
        pendingState: "READY",
        ...{ ...spec, backoff, traceContext: undefined, revision: 2, updatedAt: undefined, runAfter: undefined },
      });
      expectAbout(runAfter, before.createdAt + 1000, opened);
      expect(updatedAt).toBe(runAfter);
      expect(await changesOf(backend, id, cursor)).toMatchObject([{ status: "PENDING", type: "another", priority: 7 }]);
      expect(await statsOf(backend)).toMatchObject({ ready: 2, scheduled: 0, readyTypes: ["another"] });
      expect(await leasedIds(backend, { types: ["echo"] })).toEqual([]);
      expect((await leaseOne(backend, { types: ["another"] })).job).toMatchObject({ id, ...spec, unique: own.unique });
      expect((await backend.list({ queue: "default", types: ["another"], limit: 9 })).jobs).toHaveLength(2);
    });

    test("puts it off, again and again, until nobody does for a while", async () => {
      const opened = await open();
      const { backend } = opened;
      const given = { ...only1({ until: "STARTED" }), ...replacing };
      const first = await create(backend, { ...given, delayMs: 5000, payload: "1" });
      expect(first).toMatchObject({ deduplicated: false });
      for (const payload of ["2", "3", "4"]) {
        await passTime(opened, 3000);
        expect(await create(backend, { ...given, delayMs: 5000, payload })).toMatchObject({ id: first.id });
        expect(await leasedIds(backend)).toEqual([]);
      }
      await passTime(opened, 5000);
      const leased = await leaseOne(backend);
      expect(leased.job).toMatchObject({ id: first.id, payload: "4", revision: 5 });
      const next = await create(backend, { ...given, payload: "5" });
      expect(next.deduplicated).toBe(false);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0, running: 1 });
    });

    test("gives one that waits for a retry all of its retries again", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { ...only1(), maxRetries: 1 });
      await backend.fail([{ ...failed(await leaseOne(backend)), retry: { afterMs: 60_000 } }]);
      const runAfter = (await opened.now()) - 1000;
      const created = await create(backend, { ...replacing, maxRetries: 2, runAfter, payload: "2", ttlMs: 1000 });
      expect(created).toMatchObject({ id, met: "REPLACED", runAfter });
      const kept = { retryCount: 0, deliveries: 1, error: "it broke", runAfter, payload: "2", maxRetries: 2 };
      expect(created.existing).toMatchObject(kept);
      // It has begun, so it does not expire.
      await passTime(opened, 2000);
      expect((await leaseOne(backend)).job).toMatchObject({ ...kept, deliveries: 2 });
      expect(await create(backend, replacing)).toMatchObject({ id, met: "KEPT" });
    });

    test("keeps one that runs, or is done and held, as it is", async () => {
      const { backend } = await open();
      const id = await addOne(backend, only1({ holdMs: HOUR }));
      const leased = await leaseOne(backend);
      await expectUntouched(backend, [id], async () => {
        expect(await create(backend, replacing)).toMatchObject({ id, met: "KEPT", deduplicated: true });
      });
      await backend.complete([done(leased)]);
      await expectUntouched(backend, [id], async () => {
        expect(await create(backend, replacing)).toMatchObject({ id, met: "KEPT", existing: { status: "DONE" } });
      });
    });

    test("lets it expire as it asks for, or no more", async () => {
      const opened = await open();
      const { backend } = opened;
      const ids = [];
      for (const [key, before, after] of [
        ["a", { ttlMs: 5000 }, {}],
        ["b", {}, { ttlMs: 5000 }],
        ["c", { ttlMs: 60_000 }, { expiresAt: (await opened.now()) + 5000 }],
        ["d", { ttlMs: 5000 }, { ttlMs: 20_000 }],
      ] as const) {
        ids.push(await addOne(backend, { ...only1({ key }), ...before }));
        expect(await create(backend, { ...only1({ key }), ...after, ...replacing })).toMatchObject({ met: "REPLACED" });
      }
      await passTime(opened, 6000);
      expect(await statuses(backend, ids)).toEqual(["PENDING", "CANCELED", "CANCELED", "PENDING"]);
      await passTime(opened, 16_000);
      expect(await statuses(backend, ids)).toEqual(["PENDING", "CANCELED", "CANCELED", "CANCELED"]);
    });

    test("meets the first of its own batch, and leaves room in a full queue", async () => {
      const { backend } = await open();
      await backend.updateQueue("default", { maxDepth: 2, defaultMaxRetries: 42 });
      const jobs = ["1", "2", "3"].map((payload) => newJob({ ...only1(), ...replacing, payload, open: 1 }));
      const results = await backend.enqueue([...jobs, newJob()]);
      expect(results.map(({ met }) => met)).toEqual([undefined, "REPLACED", "REPLACED", undefined]);
      const id = jobs[0]?.id ?? "";
      expect(results.map((result) => result.id).slice(0, 3)).toEqual([id, id, id]);
      expect(await jobOf(backend, id)).toMatchObject({ payload: "3", revision: 3, maxRetries: 42 });
      expect(await create(backend, { ...replacing, payload: "4" })).toMatchObject({ id, met: "REPLACED" });
      await expectRefused(addOne(backend), "QUEUE_FULL");
    });

    test.each([
      ["with a key by one without", "tenant", undefined],
      ["without a key by one with one", undefined, "tenant"],
      ["by one with another key", "tenant", "other"],
    ])("%s leaves it in line, in its own batch too", async (_name, before, after) => {
      const { backend } = await open();
      await create(backend, { key: before });
      const { id } = await create(backend, { ...replacing, key: after });
      expect(await leasedIds(backend)).toEqual([id]);
      const given = { unique: unique({ key: "batch" }) };
      const jobs = [newJob({ ...given, key: before }), newJob({ ...given, ...replacing, key: after })];
      const [first] = await backend.enqueue(jobs);
      expect(await leasedIds(backend)).toEqual([first?.id]);
    });

    test("answers its repeat the same, whatever came of the job since", async () => {
      const { backend } = await open();
      const id = await addOne(backend, only1({ until: "STARTED" }));
      const request = { ...only1({ until: "STARTED" }), ...replacing, requestId: "r", digest: "d", payload: "2" };
      const first = await create(backend, request);
      expect(first).toMatchObject({ id, met: "REPLACED", existing: { payload: "2" } });
      await leaseOne(backend);
      expect(await create(backend, request)).toMatchObject({
        ...{ id, deduplicated: true, met: "REPLACED", createdAt: first.createdAt, runAfter: first.runAfter },
        existing: { status: "RUNNING", revision: 3 },
      });
    });

    test("lets go of the key as before: the job that was replaced holds it", async () => {
      const { backend } = await open();
      const id = await addOne(backend, only1());
      for (const payload of ["2", "3"]) await create(backend, { ...replacing, payload });
      expect(await holder(backend)).toBe(id);
      await backend.complete([done(await leaseOne(backend))]);
      expect(await holder(backend)).toBeUndefined();
    });
  });

  describe("a unique key of a dead job", () => {
    async function twoDead(backend: Backend, given: Partial<Unique> = {}): Promise<string[]> {
      const ids: string[] = [];
      for (let at = 0; at < 2; at++) {
        ids.push(await addOne(backend, only1(given)));
        await backend.fail([fatal(await leaseOne(backend))]);
      }
      return ids;
    }

    test.each(["FINISHED", "STARTED"] as const)("is taken again by a replay, until %s", async (until) => {
      const { backend } = await open();
      const [id = "", other = ""] = await twoDead(backend, { until });
      expect(await holder(backend)).toBeUndefined();
      expect(only(await backend.replay([id]))).toMatchObject({ outcome: "APPLIED" });
      expect(await holder(backend)).toBe(id);
      expect(await create(backend)).toMatchObject({ id, deduplicated: true });
      await expectUntouched(backend, [id, other], async () => {
        expect(await backend.replay([other])).toEqual([{ outcome: "KEY_HELD", by: id }]);
      });
      const leased = await leaseOne(backend);
      expect(await holder(backend)).toBe(until === "STARTED" ? undefined : id);
      await backend.complete([done(leased)]);
      expect(only(await backend.replay([other]))).toMatchObject({ outcome: "APPLIED" });
    });

    test("is taken by the first of several that are replayed together; the others are not counted", async () => {
      const { backend } = await open();
      const ids = await twoDead(backend);
      expect(await backend.act("REPLAY", ids, {})).toBe(1);
      expect(await statuses(backend, ids)).toEqual(["PENDING", "DEAD"]);
      await backend.cancel(ids[0] ?? "");
      const rows = await backend.replay([ids[1] ?? "", ids[0] ?? ""]);
      expect(rows).toMatchObject([{ outcome: "APPLIED" }, { outcome: "CONFLICT", status: "CANCELED" }]);
    });
  });

  describe("a unique key and a request id", () => {
    const request = { requestId: "r", digest: "d" };

    test("the request id is looked at first", async () => {
      const { backend } = await open();
      const first = await create(backend, request);
      await backend.cancel(first.id);
      const second = await create(backend);
      expect(second.deduplicated).toBe(false);
      expect(await create(backend, request)).toMatchObject({ id: first.id, deduplicated: true, met: undefined });
      expect(await create(backend, { ...request, onConflict: "REFUSE" })).toMatchObject({ id: first.id });
      await expectRefused(create(backend, { ...request, digest: "e" }), "REQUEST_ID_REUSED");
    });

    test("the answer of a create that met a job is told again to its repeat, though another may be created by then", async () => {
      const opened = await open({ completeJobTtlMs: 1000 });
      const { backend } = opened;
      const first = await create(backend, { requestId: "first", digest: "f" });
      for (const requestId of ["r", "auto:r"]) {
        expect(await create(backend, { ...request, requestId })).toMatchObject({ id: first.id, met: "KEPT" });
      }
      await expectRefused(create(backend, { ...request, digest: "e" }), "REQUEST_ID_REUSED");
      await backend.complete([done(await leaseOne(backend))]);
      await passTime(opened, 5000);
      expect(await statuses(backend, [first.id])).toEqual(["-"]);
      for (const requestId of ["r", "auto:r"]) {
        const { createdAt, runAfter } = first;
        const again = await create(backend, { ...request, requestId });
        expect(again).toEqual({
          id: first.id,
          deduplicated: true,
          met: "KEPT",
          existing: undefined,
          createdAt,
          runAfter,
        });
      }
      await passTime(opened, REQUEST_ID_TTL_MS);
      expect(await create(backend, request)).toMatchObject({ deduplicated: false });
    });

    test("what is remembered of a job that was met leaves the request id of that job alone", async () => {
      const opened = await open();
      const { backend } = opened;
      const own = { requestId: "own", digest: "o" };
      const first = await create(backend, own);
      await create(backend, request);
      await passTime(opened, REQUEST_ID_TTL_MS + 1000);
      // Forgets what has had its time.
      await create(backend, { requestId: "another", digest: "a", ...only1({ key: "other" }) });
      expect(await create(backend, own)).toMatchObject({ id: first.id, deduplicated: true, met: undefined });
      await backend.purge("default");
      expect(await create(backend, own)).toMatchObject({ deduplicated: false });
    });

    test("a schedule whose job meets another moves on, and that is its last job", async () => {
      const opened = await open();
      const { backend } = opened;
      const schedule = await backend.createSchedule(newSchedule(await opened.now()));
      const id = await addOne(backend, { ...only1({ until: "STARTED" }), payload: "1" });
      const runs = [{ payload: "2" }, { payload: "3", onConflict: "REPLACE" as const }].map((given) => {
        return newJob({ ...only1(), schedule: schedule.name, scheduledFor: 1, ...given });
      });
      const fired = await backend.fireSchedule(firing(schedule, { jobs: runs }));
      expect(fired).toMatchObject({
        outcome: "FIRED",
        results: [
          { id, met: "KEPT" },
          { id, met: "REPLACED" },
        ],
      });
      expect(await backend.getSchedule("default", schedule.name)).toMatchObject({ lastJobId: id, runs: 0 });
      expect(await jobOf(backend, id)).toMatchObject({ payload: "3", schedule: schedule.name, scheduledFor: 1 });
      await leaseOne(backend);
      const next = await backend.getSchedule("default", schedule.name);
      const again = await backend.fireSchedule(firing(next, { jobs: runs.slice(0, 1) }));
      expect(again).toMatchObject({ results: [{ id: runs[0]?.id, deduplicated: false }] });
      expect(await holder(backend)).toBe(runs[0]?.id);
    });

    test("two of a batch are told what their keys meet", async () => {
      const { backend } = await open();
      const jobs = [newJob(only1()), newJob({ ...only1(), ...request }), newJob({ ...only1(), ...request })];
      const results = await backend.enqueue(jobs);
      expect(results.map(({ id }) => id)).toEqual([jobs[0]?.id, jobs[0]?.id, jobs[0]?.id]);
      expect(results.map(({ met }) => met)).toEqual([undefined, "KEPT", "KEPT"]);
    });
  });
}
