import { describe, expect, test } from "vitest";
import type { Change, ChangeFilter } from "../../../src/core/port/changes.js";
import { afterChange } from "../../../src/core/watch/states-since.js";
import type { JobStatus } from "../../../src/model/job/job.js";
import type { Open } from "./harness.js";
import {
  add,
  addDead,
  addOne,
  changeOf,
  changesOf,
  createQueue,
  done,
  expectRefused,
  failed,
  jobOf,
  LEASE_MS,
  leaseOne,
  passTime,
  readAll,
  ref,
} from "./support.js";

/** The log of all changes, and that the listener hears the same changes. */
export function describeChangeLog(open: Open): void {
  describe("the change log", () => {
    test("has each step of a life once, as the job was then, with revisions that grow by one", async () => {
      const opened = await open();
      const { backend } = opened;
      const cursor = await backend.head();
      const expected: Change[] = [];
      const id = await addOne(backend, { priority: 3, maxRetries: 1, backoff: { baseDelayMs: 0, maxDelayMs: 0 } });
      const note = async () => void expected.push(changeOf(await jobOf(backend, id)));
      await note();
      let leased = await leaseOne(backend);
      await note();
      await backend.extend([{ ...ref(leased), leaseMs: 5000 }]);
      await backend.extend([{ ...ref(leased), progress: { percent: 30, message: "going" } }]);
      await note();
      await backend.release([ref(leased)]);
      await note();
      leased = await leaseOne(backend);
      await note();
      await passTime(opened, LEASE_MS);
      await note();
      leased = await leaseOne(backend);
      await note();
      await backend.cancel(id);
      await backend.cancel(id);
      await note();
      await backend.complete([done(leased)]);
      await backend.complete([done(leased)]);
      await note();
      await backend.remove([id], ["DONE"]);
      const last = expected.at(-1);
      if (last === undefined) throw new Error("no changes");
      expected.push({ ...last, deleted: true, revision: last.revision + 1 });
      const changes = await changesOf(backend, id, cursor);
      // When a job was deleted, only the log knows.
      expect(changes.map((change) => (change.deleted ? { ...change, updatedAt: last.updatedAt } : change))).toEqual(
        expected,
      );
      expect(changes.map(({ revision }) => revision)).toEqual(changes.map((_, at) => at + 1));
    });

    test("a change of a running job, and the job before it, tell the job as it is", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { payload: '{"a":1}', backoff: { baseDelayMs: 0, maxDelayMs: 0 } });
      /** Returns the changes that `act` makes, which must be one step. */
      const step = async <T>(act: () => Promise<T>): Promise<T> => {
        const [before, cursor] = [await jobOf(backend, id), await backend.head()];
        const answer = await act();
        const [change, ...more] = await changesOf(backend, id, cursor);
        expect(more).toEqual([]);
        expect(change && afterChange(before, change)).toEqual(await jobOf(backend, id));
        return answer;
      };
      let leased = await step(() => leaseOne(backend));
      await step(() => backend.extend([{ ...ref(leased), progress: { percent: 30, message: "going" } }]));
      await backend.fail([{ ...failed(leased), error: `x${"🧾".repeat(1500)}` }]);
      leased = await step(() => leaseOne(backend));
      await passTime(opened, LEASE_MS);
      leased = await step(() => leaseOne(backend));
      await step(() => backend.extend([{ ...ref(leased), progress: { percent: 100, message: "" } }]));
      await step(() => backend.cancel(id));
    });

    test("refused and repeated writes leave no trace", async () => {
      const { backend } = await open();
      const dead = await addDead(backend);
      const head = await backend.head();
      await expectRefused(addOne(backend, { queue: "nowhere" }), "QUEUE_NOT_FOUND");
      await expectRefused(backend.cancel(dead), "JOB_STATE_CONFLICT");
      await backend.release([{ jobId: dead, token: "x" }]);
      await backend.replay(["4711"]);
      await backend.remove([dead], ["DONE"]);
      await backend.tick();
      expect((await readAll(backend, head)).changes).toEqual([]);
    });

    test("is read on from any cursor, whatever the size of the pages", async () => {
      const { backend } = await open();
      const start = await backend.head();
      await add(backend, {}, {}, {}, {}, {});
      await backend.fail([failed(await leaseOne(backend))]);
      await backend.purge("default");
      const { entries, next } = await readAll(backend, start);
      expect(entries).toHaveLength(13);
      for (const limit of [1, 2, 5, 13, 50]) {
        expect((await readAll(backend, start, {}, limit)).entries).toEqual(entries);
      }
      for (const [at, { cursor }] of entries.entries()) {
        expect((await readAll(backend, cursor)).entries).toEqual(entries.slice(at + 1));
      }
      expect(new Set(entries.map(({ cursor }) => cursor)).size).toBe(13);
      expect((await readAll(backend, next)).entries).toEqual([]);
      expect((await readAll(backend, await backend.head())).entries).toEqual([]);
      const id = await addOne(backend);
      expect((await readAll(backend, next)).changes.map(({ jobId }) => jobId)).toEqual([id]);
    });

    test("a page says whether more can be read at once", async () => {
      const { backend } = await open();
      const start = await backend.head();
      expect(await backend.read(start, 10, {})).toMatchObject({ entries: [], more: false });
      await add(backend, {}, {}, {});
      const first = await backend.read(start, 2, {});
      expect(first.entries).toHaveLength(2);
      expect(first.more).toBe(true);
      const rest = await backend.read(first.next, 2, {});
      expect(rest.entries).toHaveLength(1);
      expect(rest.more).toBe(false);
    });

    test("is filtered by queue, type and status, alone and together", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const start = await backend.head();
      await add(backend, { type: "a" }, { type: "b" }, { type: "a", queue: "other" }, { type: "b", queue: "other" });
      await leaseOne(backend, { queues: ["other"], types: ["a"] });
      await leaseOne(backend, { types: ["b"] });
      const all = (await readAll(backend, start)).changes;
      expect(all).toHaveLength(6);
      const filters: ChangeFilter[] = [undefined, ["other"], ["default", "other"], ["nowhere"]].flatMap((queues) =>
        [undefined, ["b"]].flatMap((types) =>
          [undefined, ["RUNNING" as const], ["PENDING" as const, "DEAD" as const]].map((statuses) => ({
            queues: queues && new Set(queues),
            types: types && new Set(types),
            statuses: statuses && new Set<JobStatus>(statuses),
          })),
        ),
      );
      for (const filter of filters) {
        const { queues, types, statuses } = filter;
        const expected = all.filter(
          ({ queue, type, status }) =>
            (queues?.has(queue) ?? true) && (types?.has(type) ?? true) && (statuses?.has(status) ?? true),
        );
        for (const limit of [1, 100]) expect((await readAll(backend, start, filter, limit)).changes).toEqual(expected);
        const [first] = (await readAll(backend, start, filter)).entries;
        if (first !== undefined)
          expect((await readAll(backend, first.cursor, filter)).changes).toEqual(expected.slice(1));
      }
    });

    test("a reader that nothing matches for still gets on", async () => {
      const { backend } = await open();
      const start = await backend.head();
      for (let batch = 0; batch < 12; batch++) await add(backend, ...Array.from({ length: 1000 }, () => ({})));
      const id = await addOne(backend, { type: "rare" });
      const filter = { types: new Set(["rare"]) };
      const { changes, next } = await readAll(backend, start, filter, 10);
      expect(changes.map(({ jobId }) => jobId)).toEqual([id]);
      expect((await readAll(backend, next)).changes).toEqual([]);
    });

    test("a cursor older than what is kept is refused, a later one goes on", async () => {
      const { backend } = await open({ changeLogSize: 20 });
      const old = await backend.head();
      for (let at = 0; at < 1000; at++) await addOne(backend);
      const recent = await backend.head();
      const ids = await add(backend, ...Array.from({ length: 20 }, () => ({})));
      await expectRefused(backend.read(old, 10, {}), "WATCH_COMPACTED");
      await expectRefused(backend.read(old, 10, { types: new Set(["none"]) }), "WATCH_COMPACTED");
      expect((await readAll(backend, recent)).changes.map(({ jobId }) => jobId)).toEqual(ids);
      expect((await readAll(backend, await backend.head())).changes).toEqual([]);
    });

    test("what is no cursor is refused", async () => {
      const { backend } = await open();
      await add(backend, {}, {});
      const head = await backend.head();
      for (const cursor of ["", "x", "nonsense cursor", `${head} `, `${head}x`, "-1", "∞", "0".repeat(500)]) {
        await expectRefused(backend.read(cursor, 10, {}), "FIELD_INVALID");
      }
    });
  });

  describe("the listener", () => {
    test("hears every change, of each queue in the order of the log", async () => {
      const opened = await open({ maxLostLeases: 0 });
      const { backend, heard } = opened;
      const start = await backend.head();
      await createQueue(backend, "other");
      const [first, second, third, fourth] = await add(backend, {}, { queue: "other" }, { delayMs: 1000 }, {});
      if (!first || !second || !third || !fourth) throw new Error("no jobs");
      await backend.complete([done(await leaseOne(backend), "1")]);
      await backend.fail([failed(await leaseOne(backend, { queues: ["other"] }))]);
      await leaseOne(backend);
      await passTime(opened, LEASE_MS);
      await backend.replay([fourth]);
      await backend.cancel(third);
      await backend.remove([first], ["DONE"]);
      await backend.purge("default");
      await backend.deleteQueue("other", true);
      const { changes } = await readAll(backend, start);
      await opened.settled();
      for (const queue of ["default", "other"]) {
        const ofQueue = (change: Change) => change.queue === queue;
        expect(heard.changesHeard.filter(ofQueue)).toEqual(changes.filter(ofQueue));
      }
      expect(heard.changesHeard).toHaveLength(changes.length);
      expect(changes.filter(({ deleted }) => deleted)).toHaveLength(3);
    });
  });
}
