import fc from "fast-check";
import { expect, test } from "vitest";
import { LeaseTokens } from "../../../../src/backends/memory/lease-tokens.js";
import type { QueuedJob } from "../../../../src/backends/memory/queue-state.js";
import { newRecord } from "../../../../src/backends/memory/records/job-record.js";
import { restoreState, savedState } from "../../../../src/backends/memory/records/saved-state.js";
import { JOB_STATUSES } from "../../../../src/model/job/job.js";

const createdAt = Date.UTC(2026, 10, 1);
/** A time after the creation: at once, soon, or in many years. */
const later = fc.oneof(fc.nat(5), fc.nat(2 ** 40)).map((ms) => createdAt + ms);
const count = fc.integer({ min: 1, max: 2 ** 32 });

/** A state as a journal may have it; of each field the first value, which is left out, is not among its values. */
const anyState = fc.record(
  {
    status: fc.constantFrom(...JOB_STATUSES.filter((status) => status !== "PENDING")),
    runAfter: later,
    updatedAt: later,
    startedAt: later,
    finishedAt: later,
    settledToken: fc.constantFrom("abcdefgh5", "abcdefgh1-0"),
    settledBy: fc.constantFrom("complete" as const, "fail" as const, "release" as const),
    revision: count.map((revision) => revision + 1),
    deliveries: count,
    worker: fc.string({ minLength: 1 }),
    retryCount: count,
    lostLeases: count,
    error: fc.string({ minLength: 1 }),
    attemptErrors: fc.constant([{ at: createdAt, error: "no", delivery: 1, worker: "w" }]),
    resultDropped: fc.constant(true),
    progress: fc.constant({ percent: 50, message: "half" }),
    cancelRequested: fc.constant(true),
    ofNewerVersion: fc.constantFrom(0, "text", { of: ["many"] }),
  },
  { requiredKeys: ["status", "runAfter", "updatedAt"] },
);

test("a state is restored as it was saved, with what a newer version wrote into it", () => {
  const label = { queue: "default", type: "noop", priority: 0 };
  const shared = { maxRetries: 0, backoff: { baseDelayMs: 1, maxDelayMs: 1 }, timeoutMs: 0, metadata: {}, label };
  fc.assert(
    fc.property(anyState, (state) => {
      const times = { createdAt, runAfter: createdAt };
      const record: QueuedJob = newRecord(
        undefined,
        "1",
        { ...shared, queue: {} },
        undefined,
        undefined,
        times,
      ) as never;
      restoreState(record, state, "result");
      const saved = savedState(record, new LeaseTokens("12345678"));
      expect(JSON.parse(saved?.state ?? "")).toEqual(state);
      expect(saved?.result).toBe("result");
    }),
    { numRuns: 300 },
  );
});
