import type { JobSpec } from "../model/job.js";
import type { QueueSettings } from "../model/queue.js";

/** What a job gets from its queue when its request does not say it. */
export type QueueDefaults = Pick<QueueSettings, "defaultMaxRetries" | "defaultBackoff" | "defaultTimeoutMs">;

/** The fields of a job that its queue may give it. */
export type GivenFields = Partial<Pick<JobSpec, "maxRetries" | "backoff" | "timeoutMs">>;

/** What a request leaves open, as bits of `NewJob.open`. */
export const OPEN = { maxRetries: 1, backoff: 2, timeoutMs: 4 } as const;

/** What a queue with these settings gives a job that leaves these fields open; undefined: nothing. */
export function givenByQueue(open: number, defaults: QueueDefaults): GivenFields | undefined {
  const { defaultMaxRetries, defaultBackoff, defaultTimeoutMs } = defaults;
  if (defaultMaxRetries === null && defaultBackoff === null && defaultTimeoutMs === null) return undefined;
  return {
    ...(open & OPEN.maxRetries && defaultMaxRetries !== null && { maxRetries: defaultMaxRetries }),
    ...(open & OPEN.backoff && defaultBackoff !== null && { backoff: defaultBackoff }),
    ...(open & OPEN.timeoutMs && defaultTimeoutMs !== null && { timeoutMs: defaultTimeoutMs }),
  };
}
