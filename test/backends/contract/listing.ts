import { describe, expect, test } from "vitest";
import type { ListQuery } from "../../../src/core/port/listing.js";
import { type Job, jobBytes } from "../../../src/model/job/job.js";
import type { Open } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  createQueue,
  expectAlike,
  expectRefused,
  jobOf,
  keyOf,
  lease,
  leaseOne,
  pages,
} from "./support.js";

const ALL: ListQuery = { queue: "default", statuses: [], limit: 100 };

/** Reading jobs, by id and page by page. */
export function describeListing(open: Open): void {
  describe("get", () => {
    test("answers in order, undefined where there is no job", async () => {
      const { backend } = await open();
      const [first, second] = await add(backend, {}, {});
      if (!first || !second) throw new Error("no jobs");
      const jobs = await backend.get([second, "4711", first, second]);
      expect(jobs.map((job) => job?.id)).toEqual([second, undefined, first, second]);
      expect(await backend.get([])).toEqual([]);
    });

    test("answers jobs of several queues in the order they were asked for", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const [first, second, third] = await add(backend, {}, { queue: "other" }, {});
      if (!first || !second || !third) throw new Error("no jobs");
      const asked = [third, second, "4711@other", first, second];
      expect((await backend.get(asked)).map((job) => job?.id)).toEqual([third, second, undefined, first, second]);
    });

    test("up to so many bytes answers the first of them, at least one, or all", async () => {
      const { backend } = await open();
      const payload = JSON.stringify("x".repeat(10_000));
      const ids = await add(backend, ...Array.from({ length: 30 }, () => ({ payload })));
      const asked = [...ids.slice(0, 5), "4711", ...ids.slice(5), ids[0] ?? ""];
      const all = await backend.get(asked);
      for (const maxBytes of [1, 10_300, 45_000, 1_000_000]) {
        const some = await backend.get(asked, "FULL", maxBytes);
        expect(some).toEqual(all.slice(0, some.length));
        // Fewer only where these have as many bytes, about.
        const bytes = some.reduce((sum, job) => sum + (job === undefined ? 0 : jobBytes(job)), 0);
        expect(some.length).toBeGreaterThan(0);
        if (some.length < all.length) expect(bytes).toBeGreaterThan(maxBytes * 0.9);
      }
    });

    test("an answer is a picture of the moment: it does not change with the job", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const before = await jobOf(backend, id);
      const copy = structuredClone(before);
      await backend.fail([
        { jobId: id, token: (await leaseOne(backend)).token, error: "e", retry: "NEVER", jitter: 0 },
      ]);
      expect(before).toEqual(copy);
    });
  });

  describe("list", () => {
    test("lists the newest first, in one moment by descending number, page by page", async () => {
      const opened = await open();
      const { backend } = opened;
      const descending = ["1000000000000000000", "100000000000000001", "100000000000000000", "99999999999999999", "8"];
      const at = [3, 0, 4, 1, 2];
      await add(backend, ...at.map((index) => ({ id: descending[index] ?? "", priority: index })));
      for (const limit of [1, 2, 3, 5, 100]) {
        expect(await pages((after) => backend.list({ ...ALL, limit, after }))).toEqual(descending);
      }
      const page = await backend.list({ ...ALL, limit: 2 });
      expect(page.jobs).toEqual(await backend.get(descending.slice(0, 2)));
      // Later, with a smaller number: of a server whose clock is behind.
      await opened.advance(1000);
      await add(backend, { id: "7" });
      for (const limit of [1, 2, 100]) {
        expect(await pages((after) => backend.list({ ...ALL, limit, after }))).toEqual(["7", ...descending]);
      }
    });

    test("an empty queue has one empty page, and only its own jobs are listed", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const id = await addOne(backend, { queue: "other" });
      expect(await backend.list(ALL)).toEqual({ jobs: [], next: undefined });
      expect((await backend.list({ ...ALL, queue: "other" })).jobs.map((job) => job.id)).toEqual([id]);
      await expectRefused(backend.list({ ...ALL, queue: "nowhere" }), "QUEUE_NOT_FOUND");
    });

    test("filters by status and type, alone and together", async () => {
      const { backend } = await open();
      const dead = await addDead(backend, { type: "mail" });
      const finished = await addDone(backend, { type: "mail" });
      const canceled = await addOne(backend, { type: "mail" });
      await backend.cancel(canceled);
      const running = await addOne(backend, { type: "mail" });
      await leaseOne(backend, { types: ["mail"] });
      const image = await addOne(backend, { type: "image" });
      await lease(backend, { types: ["image"] });
      const [ready, scheduled, other] = await add(
        backend,
        { type: "mail" },
        { type: "mail", delayMs: 60_000 },
        { type: "image" },
      );
      const all = { DEAD: dead, DONE: finished, CANCELED: canceled };
      const list = (query: Partial<ListQuery>) => pages((after) => backend.list({ ...ALL, limit: 2, ...query, after }));
      for (const [status, id] of Object.entries(all)) {
        expect(await list({ statuses: [status as keyof typeof all] })).toEqual([id]);
      }
      expect(await list({ statuses: ["RUNNING"] })).toEqual([image, running]);
      expect(await list({ statuses: ["RUNNING"], types: ["mail"] })).toEqual([running]);
      expect(await list({ statuses: ["PENDING"] })).toEqual([other, scheduled, ready]);
      expect(await list({ statuses: ["FAILED"] })).toEqual([]);
      expect(await list({ statuses: ["DEAD", "RUNNING"] })).toEqual([image, running, dead]);
      expect(await list({ statuses: ["DONE", "PENDING", "CANCELED"] })).toEqual([
        other,
        scheduled,
        ready,
        canceled,
        finished,
      ]);
      expect(await list({ types: ["image"] })).toEqual([other, image]);
      expect(await list({ types: ["none"] })).toEqual([]);
      expect(await list({ statuses: ["RUNNING", "PENDING"], types: ["image"] })).toEqual([other, image]);
    });

    test.each([
      ["every status", []],
      ["one status", ["RUNNING" as const]],
    ])("paging over %s misses none and repeats none while jobs come and go", async (_name, statuses) => {
      const { backend } = await open();
      const ids: string[] = [];
      const addRunning = async () => {
        ids.push(await addOne(backend));
        return leaseOne(backend);
      };
      const leases = [];
      for (let at = 0; at < 9; at++) leases.push(await addRunning());
      const descending = ids.toReversed();
      const listed: string[] = [];
      let after: string | undefined;
      let turn = 0;
      do {
        const page = await backend.list({ ...ALL, statuses, limit: 2, after });
        listed.push(...page.jobs.map(({ id }) => id));
        after = page.next;
        // The last one listed so far is deleted, and new ones come in.
        const gone = leases.find(({ job }) => job.id === listed.at(-1));
        if (turn < 3 && gone !== undefined) {
          await backend.complete([{ jobId: gone.job.id, token: gone.token, result: undefined }]);
          await backend.remove([gone.job.id], ["DONE"]);
          await addRunning();
        }
        turn++;
      } while (after !== undefined);
      expect(listed).toEqual(descending);
    });

    test("keys are those of the jobs on the same page, with their size", async () => {
      const { backend } = await open();
      const sizes = [10, 5000, 300];
      await add(backend, ...sizes.map((size, at) => ({ type: `t${at % 2}`, payload: new Uint8Array(size) })));
      for (const query of [ALL, { ...ALL, limit: 2 }, { ...ALL, maxBytes: 3000 }, { ...ALL, types: ["t0"], scan: 2 }]) {
        const { jobs, next } = await backend.list(query);
        const page = await backend.listKeys(query);
        expect(page.next).toBe(next);
        expect(page.keys.map(({ key }) => key)).toEqual(jobs.map(keyOf));
        for (const [at, { bytes }] of page.keys.entries()) expectAlike(bytes, jobBytes(jobs[at] as Job));
      }
      await expectRefused(backend.listKeys({ ...ALL, queue: "nowhere" }), "QUEUE_NOT_FOUND");
      await expectRefused(backend.listKeys({ ...ALL, after: "x" }), "PAGE_TOKEN_INVALID");
    });

    test("a page examines no more jobs than it is told to, and goes on behind them", async () => {
      const { backend } = await open();
      const ids = await add(backend, { type: "rare" }, {}, {}, {}, {});
      const query = { ...ALL, types: ["rare"], scan: 3 };
      const keys = ((await backend.get(ids)) as Job[]).map(keyOf);
      const first = await backend.listKeys(query);
      expect(first).toEqual({ keys: [], next: keys[2] });
      const second = await backend.listKeys({ ...query, after: first.next });
      expect(second).toMatchObject({ keys: [{ key: keys[0] }], next: undefined });
      expect(await backend.list(query)).toEqual({ jobs: [], next: keys[2] });
    });

    test("begins behind a job of another queue, or one that never was", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      await add(backend, { id: "10" }, { id: "30", queue: "other" }, { id: "40" });
      const { createdAt } = await jobOf(backend, "10");
      for (const after of [`${createdAt}-30`, `${createdAt}-11`, `${createdAt}-39`]) {
        expect((await backend.listKeys({ ...ALL, after })).keys.map(({ key }) => key)).toEqual([`${createdAt}-10`]);
        expect((await backend.list({ ...ALL, after })).jobs.map(({ id }) => id)).toEqual(["10"]);
      }
    });

    test("a bad page token is refused", async () => {
      const { backend } = await open();
      await add(backend, {}, {}, {});
      for (const after of ["x", "-1", "1", "1-2-3", "1-x", " 1-2", "1e3-2", "99999999999999999999-1", "undefined"]) {
        await expectRefused(backend.list({ ...ALL, after }), "PAGE_TOKEN_INVALID");
      }
    });

    test("a page over very many jobs that do not match is bounded, and goes on where it stopped", async () => {
      const { backend } = await open();
      const wanted = await addOne(backend, { type: "rare" });
      for (let batch = 0; batch < 11; batch++) await add(backend, ...Array.from({ length: 1000 }, () => ({})));
      const first = await backend.list({ ...ALL, types: ["rare"] });
      expect(first.jobs).toEqual([]);
      expect(first.next).toBeDefined();
      expect(await pages((after) => backend.list({ ...ALL, types: ["rare"], after }))).toEqual([wanted]);
    });
  });
}
