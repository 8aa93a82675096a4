import type { QueueSettings } from "../../model/queue/queue.js";
import type { GivenFields, NewJob } from "./new-jobs.js";

/** What a job gets from its queue when its request does not say it. */
export type QueueDefaults = Pick<
  QueueSettings,
  "defaultMaxRetries" | "defaultBackoff" | "defaultTimeoutMs" | "defaultTtlMs"
>;

/** What a request leaves open, as bits of `NewJob.open`; `expiry`: it says neither a ttl nor a time to expire. */
export const OPEN = { maxRetries: 1, backoff: 2, timeoutMs: 4, expiry: 8 } as const;

/**
 * What a queue with these settings gives a job that leaves fields open; undefined: nothing. `now`: when it is created. The ttl of a
 * queue counts from the time at which the job may run: one with a longer delay would never run.
 */
export function givenByQueue(
  { open = 0, delayMs = 0, runAfter }: Pick<NewJob, "open" | "delayMs" | "runAfter">,
  defaults: QueueDefaults,
  now: number,
): GivenFields | undefined {
  const { defaultMaxRetries, defaultBackoff, defaultTimeoutMs, defaultTtlMs } = defaults;
  if (open === 0) return undefined;
  if (defaultMaxRetries === null && defaultBackoff === null && defaultTimeoutMs === null && defaultTtlMs === null) {
    return undefined;
  }
  const isTimed = runAfter !== undefined && runAfter > now;
  return {
    ...(open & OPEN.maxRetries && defaultMaxRetries !== null && { maxRetries: defaultMaxRetries }),
    ...(open & OPEN.backoff && defaultBackoff !== null && { backoff: defaultBackoff }),
    ...(open & OPEN.timeoutMs && defaultTimeoutMs !== null && { timeoutMs: defaultTimeoutMs }),
    ...(open & OPEN.expiry &&
      defaultTtlMs !== null &&
      (isTimed
        ? { expiresAt: runAfter + defaultTtlMs }
        : { ttlMs: (runAfter === undefined ? delayMs : 0) + defaultTtlMs })),
  };
}
