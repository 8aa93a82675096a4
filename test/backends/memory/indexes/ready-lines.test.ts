import fc from "fast-check";
import { expect, test } from "vitest";
import { ReadyLines } from "../../../../src/backends/memory/indexes/ready-lines.js";
import { JobRecord, type SharedJobSpec } from "../../../../src/backends/memory/job-record.js";
import type { QueuedJob, QueueState } from "../../../../src/backends/memory/queue-state.js";

function recordOf(number: number, type: string, priority: number, runAfter: number): QueuedJob {
  const label = { queue: "default", type, priority };
  const shared = { label, queue: undefined, maxRetries: 0, backoff: { baseDelayMs: 0, maxDelayMs: 0 } };
  const spec = { ...shared, timeoutMs: 0, metadata: {} } as unknown as SharedJobSpec<QueueState>;
  return new JobRecord<QueueState>(String(number), spec, undefined, undefined, { createdAt: 0, runAfter });
}

const step = fc.record({
  kind: fc.constantFrom("put", "put", "put", "take", "discard", "read", "takeAny"),
  type: fc.nat(40),
  priority: fc.nat(2),
  runAfter: fc.nat(50),
});

test("figures over all lines are those of a plain scan, whatever came and went", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: "max" }), fc.boolean(), (steps, isPriority) => {
      const ordering = isPriority ? "PRIORITY" : "RUN_AFTER";
      const lines = new ReadyLines<QueueState>((record) => record.status === "PENDING" && !record.isGone);
      let plain: QueuedJob[] = [];
      const without = (gone: readonly (QueuedJob | undefined)[]) => {
        plain = plain.filter((record) => !gone.includes(record));
      };
      for (const [at, { kind, type, priority, runAfter }] of steps.entries()) {
        if (kind === "put") {
          const record = recordOf(at, `type-${String(type).padStart(2, "0")}`, priority, runAfter);
          lines.put(record, ordering);
          plain.push(record);
        } else if (kind === "take") without([lines.take([`type-${String(type).padStart(2, "0")}`], ordering)]);
        else if (kind === "takeAny") without(lines.takeAny(type % 5));
        else if (kind === "discard") {
          const record = plain[type % Math.max(1, plain.length)];
          if (record === undefined) continue;
          record.status = "CANCELED";
          lines.discard(record, ordering);
          without([record]);
        } else {
          const types = [...new Set(plain.map((record) => record.type))].sort();
          expect(lines.firstTypes).toEqual(types.slice(0, 20));
          expect(lines.oldest()).toBe(Math.min(...plain.map((record) => record.runAfter)));
        }
        expect(lines.count).toBe(plain.length);
      }
    }),
    { numRuns: 300 },
  );
});

test("lines that are dropped as nobody uses them are no longer among those by age", () => {
  const lines = new ReadyLines<QueueState>((record) => record.status === "PENDING");
  for (let at = 0; at < 2000; at++) {
    lines.put(recordOf(at, `type-${at}`, 0, at), "PRIORITY");
    lines.take([`type-${at}`], "PRIORITY");
  }
  lines.put(recordOf(2000, "last", 0, 5000), "PRIORITY");
  expect(lines.oldest()).toBe(5000);
  expect(lines.firstTypes).toEqual(["last"]);
});
