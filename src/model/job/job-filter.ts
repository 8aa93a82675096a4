import type { JobStatus } from "./job.js";
import type { PendingState } from "./pending-state.js";

/**
 * Chooses jobs of a queue: all that is set must match. What is undefined, an empty list or an empty `metadata` matches all. Times in ms
 * since 1970. `Type`: the types of jobs that may be asked for.
 */
export interface JobMatch<Type extends string = string> {
  readonly types?: readonly Type[] | undefined;
  readonly statuses?: readonly JobStatus[] | undefined;
  /** PENDING jobs that wait for one of these. */
  readonly pendingStates?: readonly PendingState[] | undefined;
  /** Ids with the names of their queues, as jobs have them. */
  readonly ids?: readonly string[] | undefined;
  /** The job has all of these pairs. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Keys of jobs; "": jobs without one. */
  readonly keys?: readonly string[] | undefined;
  /** A substring of the last error; case-sensitive. */
  readonly errorContains?: string | undefined;
  /** The whole last error. "": jobs that have none. */
  readonly errorEquals?: string | undefined;
  /** The last error with numbers and ids taken out, as `DeadGroup` has it. */
  readonly errorGroup?: string | undefined;
  /** The name of the schedule that made it. */
  readonly schedule?: string | undefined;
  /** Who runs the job, or ran it last. */
  readonly worker?: string | undefined;
  /** Created at this time or later. */
  readonly createdAfter?: number | undefined;
  /** Created before this time. */
  readonly createdBefore?: number | undefined;
  /** Became DONE, DEAD or CANCELED at this time or later. */
  readonly finishedAfter?: number | undefined;
  /** Became so before this time. */
  readonly finishedBefore?: number | undefined;
}

/** Chooses jobs of any queue. */
export interface JobFilter<Type extends string = string> extends JobMatch<Type> {
  /** Default: all queues. QUEUE_NOT_FOUND for one that does not exist. */
  readonly queues?: readonly string[] | undefined;
}

/** Chooses dead jobs: all that is set must match. Times in ms since 1970. */
export interface DeadJobFilter<Type extends string = string>
  extends Omit<JobFilter<Type>, "statuses" | "pendingStates" | "finishedAfter" | "finishedBefore"> {
  /** Like `queues` with this one; not together with it. */
  readonly queue?: string | undefined;
  /** Like `types` with this one; not together with it. */
  readonly type?: Type | undefined;
  /** Died at this time or later. */
  readonly diedAfter?: number | undefined;
  /** Died before this time. */
  readonly diedBefore?: number | undefined;
}

/** How much of each job is answered. BASIC: all but its payload and result. */
export type JobView = "FULL" | "BASIC";

/** Whether the largest or the smallest time comes first. */
export type ListOrder = "NEWEST" | "OLDEST";

/** Which page of a list, and how. */
export interface PageOptions {
  /** By creation, or among the dead by death. Default: NEWEST. */
  readonly order?: ListOrder | undefined;
  /** Default: FULL. */
  readonly view?: JobView | undefined;
  /** 1 to 1000; default 50. */
  readonly pageSize?: number | undefined;
  /** `nextPageToken` of the previous page, listed with the same filter and order. */
  readonly pageToken?: string | undefined;
}

/** Which jobs to list. */
export interface JobQuery<Type extends string = string> extends JobFilter<Type>, PageOptions {
  /** Like `queues` with this one; not together with it. */
  readonly queue?: string | undefined;
  /** Like `types` with this one; not together with it. */
  readonly type?: Type | undefined;
}

/** A filter that names the types it asks for: one at least, as an empty list asks for all. */
export type OfTypes<Type extends string> =
  | { readonly type: Type }
  | { readonly types: readonly [first: Type, ...others: Type[]] };

/** Which dead jobs to list. */
export interface DeadJobQuery<Type extends string = string> extends DeadJobFilter<Type>, PageOptions {}

/** Options of an operation on all jobs that match a filter. */
export interface BulkOptions {
  /** Most jobs to change; 0 or undefined: as many as one call changes, 10,000. */
  readonly max?: number | undefined;
  /** Only count the jobs, change nothing. */
  readonly dryRun?: boolean | undefined;
  /** Every job of every queue that can be changed so; only with an empty filter, which is refused otherwise. */
  readonly all?: boolean | undefined;
  /** `nextPageToken` of the call before, with the same filter: goes on behind what it looked at. */
  readonly pageToken?: string | undefined;
}

/** What a bounded operation on many jobs did. */
export interface BulkResult {
  /** How many jobs it changed, or counted. */
  readonly count: number;
  /** Whether it stopped before it had looked at all jobs. */
  readonly hasMore: boolean;
  /** Goes on where it stopped; "" when it looked at all. */
  readonly nextPageToken: string;
}

/** Options of a summary of dead jobs. */
export interface SummaryOptions {
  /** Most groups to answer, the largest first; 1 to 1000; 0 or undefined: 100. The jobs of others are counted only. */
  readonly maxGroups?: number | undefined;
  /** `nextPageToken` of the call before, with the same filter: counts those that it did not come to. */
  readonly pageToken?: string | undefined;
}

/** Dead jobs of one queue and type with the same error, but for numbers and ids in it. */
export interface DeadGroup {
  readonly queue: string;
  readonly type: string;
  /** The first 256 characters of the error with each number and id in it as `#`; good as `errorGroup` of a filter. */
  readonly error: string;
  readonly count: number;
  /** The id of one of them, the latest to die that was looked at. */
  readonly sampleId: string;
  /** When that one died, ms since 1970. */
  readonly lastDiedAt: number;
}

/** Dead jobs, counted by group. */
export interface DeadSummary extends BulkResult {
  /** The largest first. */
  readonly groups: readonly DeadGroup[];
  /** How many of `count` are in none of these groups. */
  readonly otherCount: number;
}
