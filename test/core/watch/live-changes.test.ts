import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChangeFilter } from "../../../src/core/port/changes.js";
import type { Feed } from "../../../src/core/watch/feed.js";
import { LiveChanges } from "../../../src/core/watch/live-changes.js";
import type { JobsEvent } from "../../../src/core/watch/watch-events.js";
import { settle } from "../../support/fake-clock.js";
import { runs } from "../../support/runs.js";
import { type Fixture, started } from "../support/fixture.js";

const QUEUES = ["default", "mail", "print"];
const TYPES = ["a", "b"];

const FILTERS: readonly ChangeFilter[] = [
  {},
  { queues: new Set(["mail"]) },
  { queues: new Set(["mail", "print"]) },
  { types: new Set(["a"]) },
  { queues: new Set(["print", "default"]), types: new Set(["b"]) },
  { statuses: new Set(["DONE"] as const) },
];

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("create" as const),
      queue: fc.constantFrom(...QUEUES),
      type: fc.constantFrom(...TYPES),
      // More than anything keeps for a reader, now and then.
      count: fc.constantFrom(1, 1, 2, 5, 60, 300),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("take" as const), reader: fc.nat(), count: fc.constantFrom(1, 3, 500) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("open" as const), filter: fc.nat(FILTERS.length - 1), cursor: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("interrupt" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(100, 16_000) }) },
);

interface Reader {
  readonly filter: number;
  readonly from: string;
  readonly feed: Feed<JobsEvent>;
  readonly taken: JobsEvent[];
}

const lineOf = (event: JobsEvent) => (event.kind === "event" ? [`${event.change.jobId} ${event.change.revision}`] : []);

/** Every matching change behind a cursor, from the log itself. */
async function log(fixture: Fixture, from: string, filter: ChangeFilter): Promise<string[]> {
  const found: string[] = [];
  let cursor = from;
  for (let more = true; more; ) {
    const page = await fixture.backend.read(cursor, 1000, filter);
    found.push(...page.entries.map(({ change }) => `${change.jobId} ${change.revision}`));
    cursor = page.next;
    more = page.more;
  }
  return found;
}

/** Takes what a reader has now, up to so many; does not wait for more. */
async function take({ feed, taken }: Reader, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const event = feed.take();
    if (event !== undefined) taken.push(event);
    else await settle();
    if (event === undefined && feed.size === 0) return;
  }
}

describe("watchers of jobs", () => {
  test("are told every change once and in order, each at its own pace, and may go on from any message", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60, size: "max" }), async (commands) => {
        const fixture = await started();
        for (const queue of QUEUES.slice(1)) await fixture.engine.queues.create(queue);
        const start = await fixture.backend.head();
        const readers: Reader[] = [];
        const cursors = FILTERS.map(() => [start]);
        const open = (filter: number, from: string) => {
          const given = FILTERS[filter] as ChangeFilter;
          const feed = fixture.engine.watches.watchJobs(given, from, new AbortController().signal);
          readers.push({ filter, from, feed, taken: [] });
        };
        FILTERS.forEach((_, filter) => {
          open(filter, start);
        });
        for (const each of commands) {
          if (each.kind === "create") {
            const jobs = Array.from({ length: each.count }, () => ({ queue: each.queue, type: each.type }));
            await fixture.engine.jobs.createBatch(jobs);
          } else if (each.kind === "take") {
            const reader = readers[each.reader % readers.length] as Reader;
            await take(reader, each.count);
            cursors[reader.filter]?.push(...reader.taken.slice(-1).map(({ cursor }) => cursor));
          } else if (each.kind === "open") {
            const known = cursors[each.filter] as string[];
            open(each.filter, known[each.cursor % known.length] as string);
          } else if (each.kind === "interrupt") fixture.faults.interrupt();
          else await fixture.clock.advance(each.ms);
          for (const { feed } of readers) expect(feed.size).toBeLessThanOrEqual(130);
        }
        for (const reader of readers) {
          const expected = await log(fixture, reader.from, FILTERS[reader.filter] as ChangeFilter);
          for (let turn = 0; reader.taken.flatMap(lineOf).length < expected.length && turn < 100; turn++) {
            await settle();
            await take(reader, 10_000);
          }
          expect(reader.taken.flatMap(lineOf)).toEqual(expected);
          reader.feed.close();
        }
        await fixture.engine.stop(0);
      }),
      { numRuns: runs(20) },
    );
  });

  test("cost nothing for changes of queues that their filters do not name", () => {
    const live = new LiveChanges(() => "end");
    const given: string[] = [];
    for (const queue of ["a", "b"]) {
      const member = { isWaiting: true, place: 0, give: () => given.push(queue), fellBehind: () => {} };
      live.join(member, { queues: new Set([queue]) }, queue, "start");
    }
    const batch = (queue: string) => ({
      ...{ queue, number: 1, concernsWorkers: false, cursor: () => "cursor" },
      get changes(): never {
        throw new Error(`the changes of ${queue} were parsed`);
      },
    });
    live.changed(batch("c"));
    expect(given).toEqual([]);
    expect(() => live.changed(batch("b"))).toThrow("the changes of b were parsed");
  });
});
