import fc from "fast-check";
import { expect, test } from "vitest";
import { ENTRIES, LoggedChanges } from "../../../../src/backends/memory/records/logged-changes.js";
import type { Change } from "../../../../src/core/port/changes.js";
import { createdState, JOB_STATUSES } from "../../../../src/model/job/job.js";
import { jobIdOf } from "../../../../src/model/queue/ids.js";

const NUMBER = "119173640645246976";
const createdAt = Date.UTC(2026, 10, 1);

/** A time after the creation: at once, soon, or in many years. */
const later = fc.oneof(fc.nat(5), fc.nat(2 ** 40)).map((ms) => createdAt + ms);
const rarely = <T>(usual: T, other: fc.Arbitrary<T>) => fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, other);

const anyState = fc.record({
  deleted: rarely(false, fc.boolean()),
  status: fc.constantFrom(...JOB_STATUSES),
  revision: fc.integer({ min: 2, max: 2 ** 32 }),
  retryCount: rarely(0, fc.nat(100)),
  deliveries: fc.nat(2 ** 32),
  lostLeases: rarely(0, fc.nat(5)),
  error: rarely("", fc.string()),
  progress: rarely<Change["progress"]>(undefined, fc.constant({ percent: 50, message: "half" })),
  cancelRequested: rarely(false, fc.boolean()),
  worker: fc.constantFrom("", "worker-1"),
  updatedAt: later,
  startedAt: fc.option(later, { nil: undefined }),
  finishedAt: fc.option(later, { nil: undefined }),
});

const ODD = ["status", "revision", "deliveries", "updatedAt", "finishedAt"] as const;

/** The first hand-out of a job and the end of that, and what differs from them in a little. */
const firstState = fc
  .tuple(anyState, later, later, rarely(false, fc.boolean()), fc.boolean(), fc.constantFrom(undefined, ...ODD))
  .map(([any, startedAt, finishedAt, deleted, hasEnded, odd]) => {
    const status = hasEnded ? ("DONE" as const) : ("RUNNING" as const);
    const usual = {
      ...{ ...any, deleted, retryCount: 0, lostLeases: 0, error: "", progress: undefined, cancelRequested: false },
      ...{ status, revision: hasEnded ? 3 : 2, deliveries: 1, startedAt },
      ...{ updatedAt: hasEnded ? finishedAt : startedAt, finishedAt: hasEnded ? finishedAt : undefined },
    };
    return odd === undefined ? usual : { ...usual, [odd]: any[odd] };
  });

const anyChange = fc.record({
  queue: fc.constantFrom("default", "mail"),
  type: fc.constantFrom("send", "report"),
  priority: fc.nat(10),
  runAfter: later,
  state: fc.oneof(anyState, firstState),
});

test("a change is read from the log as it was kept, whatever it is and whatever was there before", () => {
  const log = new LoggedChanges();
  let small = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyChange, fc.boolean(), fc.constantFrom(0, 1, ENTRIES - 1)), { minLength: 1 }),
      (changes) => {
        const kept = new Map<number, Change>();
        for (const [{ queue, type, priority, runAfter, state }, isCreation, at] of changes) {
          const change: Change = {
            ...{ jobId: jobIdOf(queue, NUMBER), queue, type, priority, deleted: false, runAfter },
            ...(isCreation ? createdState(createdAt, runAfter) : state),
          };
          const job = { number: NUMBER, label: { queue, type, priority }, times: { createdAt, runAfter } };
          log.keep(at, change, job);
          kept.set(at, change);
        }
        for (const [at, change] of kept) {
          expect(log.read(at)).toEqual(change);
          if (log.read(at) !== change) small++;
        }
      },
    ),
    { numRuns: 200 },
  );
  // Those that are kept as they are, are the same object.
  expect(small).toBeGreaterThan(150);
});
