import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { type LineRules, ReadyLines } from "../../../../src/backends/memory/indexes/ready-lines.js";
import type { QueuedJob, QueueState } from "../../../../src/backends/memory/queue-state.js";
import { JobRecord, newRecord, type SharedJobSpec } from "../../../../src/backends/memory/records/job-record.js";
import type { QueueOrdering } from "../../../../src/model/queue/queue.js";
import { runs } from "../../../support/runs.js";

function recordOf(number: number, type: string, priority: number, runAfter: number, key?: string): QueuedJob {
  const label = { queue: "default", type, priority };
  const shared = { label, queue: undefined, maxRetries: 0, backoff: { baseDelayMs: 0, maxDelayMs: 0 } };
  const spec = { ...shared, timeoutMs: 0, metadata: {} } as unknown as SharedJobSpec<QueueState>;
  const rare = key === undefined ? undefined : { key };
  return newRecord<QueueState>(rare, String(number), spec, undefined, undefined, { createdAt: 0, runAfter });
}

const nameOf = (type: number) => `type-${String(type).padStart(2, "0")}`;

const step = fc.record({
  kind: fc.constantFrom("put", "put", "put", "take", "take", "discard", "read", "takeAny", "end", "back", "limit"),
  type: fc.nat(40),
  priority: fc.nat(2),
  runAfter: fc.nat(50),
  key: fc.constantFrom(undefined, "a", "a", "b", "c"),
});

test("figures over all lines are those of a plain scan, whatever came and went", () => {
  const orderings = fc.constantFrom<QueueOrdering>("PRIORITY", "RUN_AFTER", "FAIR");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: "max" }), orderings, (steps, ordering) => {
      let rules: LineRules = { ordering, maxConcurrencyPerKey: 2 };
      const lines = new ReadyLines<QueueState>();
      let plain: QueuedJob[] = [];
      let running: QueuedJob[] = [];
      const without = (gone: readonly (QueuedJob | undefined)[]) => {
        plain = plain.filter((record) => !gone.includes(record));
      };
      const runs = (key: string | undefined) => running.filter((record) => record.key === key).length;
      const isHeld = ({ key }: QueuedJob) => {
        return key !== undefined && rules.maxConcurrencyPerKey > 0 && runs(key) >= rules.maxConcurrencyPerKey;
      };
      for (const [at, { kind, type, priority, runAfter, key }] of steps.entries()) {
        if (kind === "put") {
          const record = recordOf(at, nameOf(type), priority, runAfter, key);
          expect(lines.put(record, rules)).toBe(!isHeld(record));
          plain.push(record);
        } else if (kind === "take") {
          const taken = lines.take([nameOf(type), nameOf(type + 1)], rules);
          expect(taken === undefined).toBe(
            !plain.some((each) => [nameOf(type), nameOf(type + 1)].includes(each.type) && !isHeld(each)),
          );
          if (taken === undefined) continue;
          expect(isHeld(taken)).toBe(false);
          without([taken]);
          running.push(taken);
        } else if (kind === "takeAny") without(lines.takeAny(type % 5));
        else if (kind === "discard") {
          const record = plain[type % Math.max(1, plain.length)];
          if (record === undefined) continue;
          record.status = "CANCELED";
          lines.discard(record, rules);
          without([record]);
        } else if (kind === "end" || kind === "back") {
          const record = running[type % Math.max(1, running.length)];
          if (record === undefined) continue;
          const held = plain.filter((each) => each.key === record.key && isHeld(each)).map((each) => each.type);
          running = running.filter((each) => each !== record);
          const back = new Set<string>();
          if (kind === "back") lines.giveBack(record, rules);
          lines.ended(record, rules, (each) => back.add(each));
          expect(back).toEqual(new Set(isHeld(record) ? [] : held));
          if (kind === "end") continue;
          lines.put(record, rules);
          plain.push(record);
        } else if (kind === "limit") {
          rules = { ordering, maxConcurrencyPerKey: type % 4 };
          lines.reviewLater();
          while (lines.review(rules, 2, () => {}) > 0);
        } else {
          const types = [...new Set(plain.map((record) => record.type))].sort();
          expect(lines.firstTypes).toEqual(types.slice(0, 20));
          expect(lines.oldest()).toBe(Math.min(...plain.map((record) => record.runAfter)));
          const free = plain.filter((record) => !isHeld(record));
          expect(lines.types?.toSorted()).toEqual([...new Set(free.map((record) => record.type))].sort());
          expect(lines.countOf(nameOf(type))).toBe(free.filter((record) => record.type === nameOf(type)).length);
          expect(plain.map((record) => lines.isHeld(record))).toEqual(plain.map(isHeld));
        }
        expect(lines.count).toBe(plain.length);
        expect(lines.held).toBe(plain.filter(isHeld).length);
      }
    }),
    { numRuns: runs(120) },
  );
});

test("lines that are dropped as nobody uses them are no longer among those by age", () => {
  const rules = { ordering: "PRIORITY", maxConcurrencyPerKey: 0 } as const;
  const lines = new ReadyLines<QueueState>();
  for (let at = 0; at < 2000; at++) {
    lines.put(recordOf(at, `type-${at}`, 0, at), rules);
    lines.take([`type-${at}`], rules);
  }
  lines.put(recordOf(2000, "last", 0, 5000), rules);
  expect(lines.oldest()).toBe(5000);
  expect(lines.firstTypes).toEqual(["last"]);
});

/** How often records are looked at by `act`: indexes ask them for their age and whether they are gone. */
function looksOf(act: () => void): number {
  const looks = (["runAfter", "isGone"] as const).map((name) => vi.spyOn(JobRecord.prototype, name, "get"));
  act();
  const count = looks.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  for (const look of looks) look.mockRestore();
  return count;
}

test.each<QueueOrdering>(["PRIORITY", "RUN_AFTER", "FAIR"])(
  "a lease and an end of a job under %s look at a few jobs, however many are held back",
  (ordering) => {
    const rules = { ordering, maxConcurrencyPerKey: 1 };
    const lines = new ReadyLines<QueueState>();
    for (let at = 0; at < 40_000; at++) lines.put(recordOf(at, "type", at % 3, at, `key-${at % 4000}`), rules);
    for (let at = 0; at < 4000; at++) expect(lines.take(["type"], rules)).toBeDefined();
    expect(lines.held).toBe(36_000);
    let most = 0;
    for (let at = 0; at < 200; at++) {
      const job = recordOf(40_000 + at, "type", 0, at, `free-${at % 10}`);
      let taken: readonly unknown[] = [];
      const looks = looksOf(() => {
        lines.put(job, rules);
        taken = [lines.take(["type"], rules), lines.take(["type"], rules)];
        lines.oldest();
        lines.ended(job, rules, () => {});
      });
      expect(taken[0]).toBe(job);
      expect(taken[1]).toBeUndefined();
      most = Math.max(most, looks);
    }
    let back: QueuedJob | undefined;
    const looks = looksOf(() => {
      lines.ended(recordOf(0, "type", 0, 0, "key-0"), rules, () => {});
      back = lines.take(["type"], rules);
    });
    expect(back?.key).toBe("key-0");
    expect(Math.max(most, looks)).toBeLessThan(30);
  },
);
