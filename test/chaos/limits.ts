import { timestampMs } from "@bufbuild/protobuf/wkt";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import type { JobChange } from "../../gen/gotaskq/v1/job_service_pb.js";
import type { QueueOrdering, QueueSettings } from "../../src/model/queue/queue.js";
import { MAKE_UP_MS, type RateLimit } from "../../src/model/queue/rate-limit.js";

/** What a queue of a run bounds. */
export interface QueueLimits {
  readonly ordering: QueueOrdering;
  /** 0: no limit, as in the next. */
  readonly maxConcurrency: number;
  readonly maxConcurrencyPerKey: number;
  readonly rateLimit: RateLimit | null;
}

const NONE: QueueLimits = { ordering: "PRIORITY", maxConcurrency: 0, maxConcurrencyPerKey: 0, rateLimit: null };
const RATE: RateLimit = { count: 150, periodMs: 1000, burst: 5 };

/** The limits of the queue at this place among all: of four queues, one has none, and one has all. */
export function limitsOf(at: number): QueueLimits | undefined {
  switch (at % 4) {
    case 1:
      return { ...NONE, ordering: "FAIR", maxConcurrencyPerKey: 2 };
    case 2:
      return { ...NONE, rateLimit: RATE };
    case 3:
      return { ordering: "FAIR", maxConcurrency: 6, maxConcurrencyPerKey: 1, rateLimit: RATE };
    default:
      return undefined;
  }
}

/** Stamps are whole ms. */
const ROUNDED_MS = 1;

/** One change as far as limits are concerned; `at` in ms since 1970. */
export interface LimitChange {
  readonly jobId: string;
  readonly isRunning: boolean;
  readonly deliveries: number;
  readonly at: number;
}

/** The part of a change of the log that limits are concerned with. */
export function toLimitChange({ jobId, status, deleted, deliveries, time }: JobChange): LimitChange {
  const isRunning = status === JobStatus.RUNNING && !deleted;
  return { jobId, isRunning, deliveries, at: time === undefined ? 0 : timestampMs(time) };
}

/** What the change log of a queue shows of its limits. */
export interface LimitVerdict {
  readonly violations: readonly string[];
  /** The most that ran at once, of all jobs and of one key. */
  readonly most: number;
  readonly mostOfKey: number;
  /** Hand-outs that reached somebody. */
  readonly handOuts: number;
}

/**
 * Checks that at no position of the log of a queue more jobs ran than it allows, in all and of one key, and that in no time more were
 * handed out than its rate lets through. `keyOf`: the key of a job; empty: it has none.
 */
export function checkLimits(
  queue: string,
  limits: Pick<QueueSettings, "maxConcurrency" | "maxConcurrencyPerKey" | "rateLimit">,
  changes: readonly LimitChange[],
  keyOf: (jobId: string) => string,
): LimitVerdict {
  const violations: string[] = [];
  const running = new Map<string, number>();
  const ofKey = new Map<string, number>();
  const deliveries = new Map<string, number>();
  const handOuts = new Map<string, number>();
  let [most, mostOfKey] = [0, 0];
  for (const change of changes) {
    const { jobId, isRunning, at } = change;
    const key = keyOf(jobId);
    const before = deliveries.get(jobId) ?? 0;
    deliveries.set(jobId, change.deliveries);
    // A lease that reached nobody is taken back, and what it used of the rate too.
    if (change.deliveries > before) handOuts.set(`${jobId} ${change.deliveries}`, at);
    else if (change.deliveries < before) handOuts.delete(`${jobId} ${before}`);
    if (isRunning === running.has(jobId)) continue;
    if (isRunning) running.set(jobId, at);
    else running.delete(jobId);
    if (key !== "") ofKey.set(key, (ofKey.get(key) ?? 0) + (isRunning ? 1 : -1));
    most = Math.max(most, running.size);
    mostOfKey = Math.max(mostOfKey, ofKey.get(key) ?? 0);
    if (!isRunning) continue;
    const { maxConcurrency, maxConcurrencyPerKey } = limits;
    if (maxConcurrency > 0 && running.size > maxConcurrency) {
      violations.push(`queue ${queue}: ${running.size} jobs ran at once when ${jobId} began, not ${maxConcurrency}`);
    }
    const same = ofKey.get(key) ?? 0;
    if (maxConcurrencyPerKey > 0 && same > maxConcurrencyPerKey) {
      violations.push(`queue ${queue}: ${same} jobs of ${key} ran when ${jobId} began, not ${maxConcurrencyPerKey}`);
    }
  }
  if (limits.rateLimit !== null) violations.push(...checkRate(queue, limits.rateLimit, [...handOuts.values()]));
  return { violations, most, mostOfKey, handOuts: handOuts.size };
}

/**
 * By GCRA, any time lets through a burst and what comes in it, and what the queue may make up for. `excess` is the most that any
 * window which ends with the hand-out had beyond what comes in it.
 */
function checkRate(queue: string, { count, periodMs, burst }: RateLimit, times: readonly number[]): string[] {
  const spacing = periodMs / count;
  const allowed = burst + (MAKE_UP_MS + ROUNDED_MS) / spacing;
  let excess = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const at of times) {
    excess = Math.max(0, excess - (at - last) / spacing) + 1;
    last = at;
    if (excess > allowed) {
      return [`queue ${queue}: ${excess.toFixed(1)} jobs beyond the rate were handed out by ${at}, not ${allowed}`];
    }
  }
  return [];
}
