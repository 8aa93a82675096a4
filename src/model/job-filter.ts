import type { JobStatus } from "./job.js";

/** Which jobs to list. */
export interface JobFilter {
  /** Default: all queues. */
  readonly queue?: string | undefined;
  /** Default: all statuses. */
  readonly statuses?: readonly JobStatus[] | undefined;
  /** Default: all types. */
  readonly type?: string | undefined;
  /** 1 to 1000; default 50. */
  readonly pageSize?: number | undefined;
  /** `nextPageToken` of the previous page, listed with the same filter. */
  readonly pageToken?: string | undefined;
}

/** Chooses dead jobs: all that is set must match; an empty one is refused, unless `all` is set. Times in ms since 1970. */
export interface DeadJobFilter {
  readonly queue?: string | undefined;
  readonly type?: string | undefined;
  /** A substring of the last error; case-sensitive. */
  readonly errorContains?: string | undefined;
  /** Died at this time or later. */
  readonly diedAfter?: number | undefined;
  /** Died before this time. */
  readonly diedBefore?: number | undefined;
}

/** Options of an operation on all dead jobs that match a filter. */
export interface BulkOptions {
  /** Most jobs to change; 0 or undefined: all. */
  readonly max?: number | undefined;
  /** Only count the jobs, change nothing. */
  readonly dryRun?: boolean | undefined;
  /** Every dead job of every queue; only with an empty filter. */
  readonly all?: boolean | undefined;
}
