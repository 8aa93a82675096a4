import type { Job, JobSpec, Payload } from "../../model/job/job.js";
import type { UniqueConflict } from "../../model/job/unique.js";

/** A job to create. */
export interface NewJob extends JobSpec {
  /** Delay before it is ready, ms; undefined with no `runAfter`: ready at once. */
  readonly delayMs?: number | undefined;
  /** When it becomes ready, ms since 1970; takes precedence over `delayMs`. */
  readonly runAfter?: number | undefined;
  /** Measured from its creation, ms: it expires then, instead of at an `expiresAt`. */
  readonly ttlMs?: number | undefined;
  /**
   * Deduplicates creates: the queue remembers it with its job, and for `REQUEST_ID_TTL_MS` at the least; an automatic one for
   * just that time; `MAX_REQUEST_IDS` of them. Undefined: no deduplication.
   */
  readonly requestId?: string | undefined;
  /** Tells the content of the request; see `contentDigest`. Set with a requestId. */
  readonly digest?: string | undefined;
  /** What happens when another job holds its unique key. Set with a `unique`; default: KEEP. */
  readonly onConflict?: UniqueConflict | undefined;
  /** Which fields the request leaves open, bits of `OPEN`: its queue may give them others. Default: none. */
  readonly open?: number | undefined;
}

/** What changes of a PENDING job; at least one of these. */
export interface JobUpdate {
  readonly priority?: number | undefined;
  /** It is ready so many ms from now, whatever the wall clock does; 0: now. */
  readonly delayMs?: number | undefined;
  /** When it becomes ready, ms since 1970; takes precedence over `delayMs`. */
  readonly runAfter?: number | undefined;
  /** Null: it has none from now on. */
  readonly payload?: Payload | null | undefined;
}

/** The fields of a job that its queue may give it. */
export type GivenFields = Partial<Pick<JobSpec, "maxRetries" | "backoff" | "timeoutMs" | "expiresAt">> &
  Pick<NewJob, "ttlMs">;

/** The result of creating one job. */
export interface EnqueueResult {
  readonly id: string;
  /** Whether it is the job of an earlier create: one with this requestId, or one that holds its unique key. */
  readonly deduplicated: boolean;
  /** What this create, or the one that it repeats, did to the job whose key it met; undefined: it met none. */
  readonly met?: "KEPT" | "REPLACED" | undefined;
  /** That job as it is now; undefined if it was created just now, or is gone already. */
  readonly existing?: Job | undefined;
  readonly createdAt: number;
  readonly runAfter: number;
  /** What its queue gave the job that was created just now, in place of what it was to have. */
  readonly given?: GivenFields | undefined;
}
