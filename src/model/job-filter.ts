import type { JobStatus } from "./job.js";

/** Which jobs to list. */
export interface JobFilter {
  /** Default: every queue. */
  readonly queue?: string | undefined;
  /** Default: every status. */
  readonly statuses?: readonly JobStatus[] | undefined;
  /** Default: every type. */
  readonly type?: string | undefined;
  /** 1 to 1000; default 50. */
  readonly pageSize?: number | undefined;
  /** `nextPageToken` of the page before, with the same filter. */
  readonly pageToken?: string | undefined;
}

/** Chooses dead jobs: all that is set must match. Times in ms since 1970. */
export interface DeadJobFilter {
  readonly queue?: string | undefined;
  readonly type?: string | undefined;
  /** Part of the last error; case matters. */
  readonly errorContains?: string | undefined;
  /** Died at this time or later. */
  readonly diedAfter?: number | undefined;
  /** Died before this time. */
  readonly diedBefore?: number | undefined;
}

/** How to treat the chosen dead jobs. */
export interface BulkOptions {
  /** No more than this; 0 or undefined: all. */
  readonly max?: number | undefined;
  /** Only count. */
  readonly dryRun?: boolean | undefined;
}
