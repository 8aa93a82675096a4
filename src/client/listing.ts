import type { Job, JobStatus } from "./job.js";

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

/** One page of a listing. */
export interface JobPage {
  readonly jobs: readonly Job[];
  /** Asks for the next page; "" when there is none. */
  readonly nextPageToken: string;
}
