import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JobPage } from "../../../src/core/operations/paging.js";
import { LIMITS } from "../../../src/model/common/limits.js";
import type { Job } from "../../../src/model/job/job.js";
import { compareNumbers, numberOf } from "../../../src/model/queue/ids.js";
import { runs } from "../../support/runs.js";
import { Fixture } from "../support/fixture.js";

/** Reads a listing to its end. Returns the ids of each page. */
async function pages(fixture: Fixture, pageSize?: number): Promise<string[][]> {
  const seen: string[][] = [];
  let pageToken: string | undefined;
  do {
    const page = await fixture.engine.jobs.list({ pageSize, pageToken });
    seen.push(page.jobs.map(({ id }) => id));
    pageToken = page.nextPageToken || undefined;
    if (seen.length > 50) throw new Error("the listing does not end");
  } while (pageToken !== undefined);
  return seen;
}

describe("listPages", () => {
  test("answers 50 jobs a page when nothing else is said", async () => {
    const fixture = new Fixture();
    await fixture.engine.jobs.createBatch(Array.from({ length: 120 }, () => ({ type: "work" })));
    expect((await pages(fixture)).map((page) => page.length)).toEqual([50, 50, 20]);
    expect((await pages(fixture, 0)).map((page) => page.length)).toEqual([50, 50, 20]);
  });

  test("has no token when the last page is just full", async () => {
    const fixture = new Fixture();
    await fixture.engine.jobs.createBatch(Array.from({ length: 4 }, () => ({ type: "work" })));
    expect((await pages(fixture, 2)).map((page) => page.length)).toEqual([2, 2]);
  });

  test("answers one page for nothing at all", async () => {
    expect(await pages(new Fixture())).toEqual([[]]);
  });

  test("passes over a queue that is deleted while all are listed", async () => {
    const fixture = new Fixture();
    const id = await fixture.create();
    await fixture.engine.queues.create("zz");
    await fixture.create({ queue: "zz" });
    fixture.faults.set("listKeys", async (run) => {
      fixture.faults.clear("listKeys");
      await fixture.engine.queues.remove("zz", true);
      return run();
    });
    const { jobs, nextPageToken } = await fixture.engine.jobs.list({});
    expect([jobs.map((job) => job.id), nextPageToken]).toEqual([[id], ""]);
  });

  test("passes over jobs that are gone, or match no more, once they are read", async () => {
    const fixture = new Fixture();
    await fixture.engine.queues.create("b");
    const first = await fixture.create();
    await fixture.create({ queue: "b" });
    const third = await fixture.create();
    const change = async () => {
      await fixture.engine.jobs.cancel(third);
      await fixture.engine.queues.remove("b", true);
    };
    let changed: Promise<void> | undefined;
    fixture.faults.set("get", async (run) => {
      changed ??= change();
      await changed;
      return run();
    });
    const page = await fixture.engine.jobs.list({ statuses: ["PENDING"], pageSize: 2 });
    expect(page.jobs).toEqual([]);
    const rest = await fixture.engine.jobs.list({ statuses: ["PENDING"], pageSize: 2, pageToken: page.nextPageToken });
    expect(rest.jobs.map(({ id }) => id)).toEqual([first]);
  });

  test("goes on behind a queue that was deleted, and past one that was made, between two pages", async () => {
    const fixture = new Fixture();
    const ids: string[] = [];
    for (const queue of ["a", "b", "c"]) await fixture.engine.queues.create(queue);
    for (const queue of ["a", "b", "c", "b", "a"]) ids.push(await fixture.create({ queue }));
    const first = await fixture.engine.jobs.list({ pageSize: 2 });
    expect(first.jobs.map(({ id }) => id)).toEqual([ids[4], ids[3]]);
    await fixture.engine.queues.remove("b", true);
    await fixture.engine.queues.create("new");
    await fixture.create({ queue: "new" });
    const second = await fixture.engine.jobs.list({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.jobs.map(({ id }) => id)).toEqual([ids[2], ids[0]]);
    expect(second.nextPageToken).toBe("");
  });

  test("keeps a page over many queues within its bytes, and lets in a large job all the same", async () => {
    const fixture = new Fixture();
    const ids: string[] = [];
    const payload = new Uint8Array(LIMITS.payloadBytes * 0.4);
    for (let at = 0; at < 6; at++) {
      await fixture.engine.queues.create(`q${at}`);
      const size = at === 5 ? LIMITS.payloadBytes : payload.length;
      ids.push(await fixture.create({ queue: `q${at}`, payload: new Uint8Array(size) }));
    }
    expect(await pages(fixture)).toEqual([[ids[5]], [ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]);
  });

  test("lists jobs and deaths as a plain sort over all queues does, whatever happens in between", async () => {
    const type = fc.constantFrom("mail", "image", "rare");
    const jobs = fc.array(fc.record({ queue: fc.nat(4), type, end: fc.constantFrom("", "cancel", "die") }), {
      maxLength: 120,
    });
    const filters = fc.record({
      type: fc.option(type, { nil: undefined }),
      statuses: fc.subarray(["PENDING", "CANCELED", "DEAD"] as const),
    });
    const events = fc.infiniteStream(fc.nat(5));
    const run = fc.asyncProperty(
      jobs,
      filters,
      fc.integer({ min: 1, max: 30 }),
      events,
      async (given, filter, pageSize, then) => {
        const fixture = new Fixture();
        const { engine, clock, backend } = fixture;
        for (let at = 0; at < 5; at++) await engine.queues.create(`q${at}`);
        const made: Job[] = [];
        for (const { queue, type: kind, end } of given) {
          const { job } = await engine.jobs.create({ queue: `q${queue}`, type: kind });
          made.push(job);
          if (end === "cancel") await backend.cancel(job.id);
          await clock.advance(queue % 2);
        }
        // Some of the others die, not in the order of their creation.
        const dying = made.filter((_, at) => given[at]?.end === "die");
        for (const { id, queue, type: kind } of [
          ...dying.filter((_, at) => at % 2),
          ...dying.filter((_, at) => !(at % 2)),
        ]) {
          for (const { job, token } of await fixture.lease({ queue, type: kind, max: 200 })) {
            if (job.id !== id) await backend.release([{ jobId: job.id, token }]);
            else await backend.fail([{ jobId: id, token, error: "x", retry: "NEVER", jitter: 0 }]);
          }
        }
        const now = (await backend.get(made.map(({ id }) => id))) as Job[];
        const stable = now.filter(({ queue }) => queue !== "q4");
        const readAll = async (list: (pageToken: string) => Promise<JobPage>) => {
          const seen: string[] = [];
          let pageToken = "";
          do {
            const page = await list(pageToken);
            expect(page.jobs.length).toBeLessThanOrEqual(pageSize);
            seen.push(...page.jobs.map(({ id }) => id));
            pageToken = page.nextPageToken;
            const event = then.next().value;
            if (event === 0) await engine.queues.remove("q4", true).catch(() => undefined);
            if (event === 1) await engine.queues.create(`new-${clock.now()}-${seen.length}`).catch(() => undefined);
            if (event === 2) await engine.jobs.create({ type: filter.type ?? "mail", queue: "q0" });
          } while (pageToken !== "");
          expect(new Set(seen).size).toBe(seen.length);
          const known = new Set(stable.map(({ id }) => id));
          return seen.filter((id) => known.has(id));
        };
        const isType = (job: Job) => filter.type === undefined || job.type === filter.type;
        const isStatus = ({ status }: Job) =>
          filter.statuses.length === 0 || filter.statuses.some((each) => each === status);
        const sorted = (jobs: Job[], compare: (a: Job, b: Job) => number) => jobs.sort(compare).map(({ id }) => id);
        const listed = await readAll((pageToken) => engine.jobs.list({ ...filter, pageSize, pageToken }));
        expect(listed).toEqual(
          sorted(
            stable.filter((job) => isType(job) && isStatus(job)),
            (a, b) => b.createdAt - a.createdAt || compareNumbers(numberOf(b.id), numberOf(a.id)),
          ),
        );
        const { type: kind } = filter;
        const deaths = await readAll((pageToken) => engine.dlq.list({ type: kind, pageSize, pageToken }));
        const dead = stable.filter((job) => isType(job) && job.status === "DEAD");
        expect(deaths).toEqual(
          sorted(
            dead,
            (a, b) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0) || compareNumbers(numberOf(b.id), numberOf(a.id)),
          ),
        );
      },
    );
    await fc.assert(run, { numRuns: runs(30) });
  });

  test("shows no job twice and misses none that was there, while others are created", async () => {
    const fixture = new Fixture();
    const ids: string[] = [];
    for (let index = 0; index < 9; index++) ids.push(await fixture.create());
    const seen: string[] = [];
    let pageToken: string | undefined;
    do {
      const page = await fixture.engine.jobs.list({ pageSize: 2, pageToken });
      seen.push(...page.jobs.map(({ id }) => id));
      pageToken = page.nextPageToken || undefined;
      await fixture.create();
    } while (pageToken !== undefined);
    expect(seen).toEqual(ids.reverse());
  });
});
