import type {
  BulkResult,
  DeadJobFilter,
  DeadJobQuery,
  DeadSummary,
  OfTypes,
  SummaryOptions,
} from "../model/job/job-filter.js";
import type { AnyJobs, JobTypes, TypeOf } from "../model/job/job-types.js";
import type { BulkCall, CallOptions } from "./call-options.js";
import type { Job } from "./job.js";
import type { Listing } from "./listing.js";

/** Lists, counts, replays and deletes jobs of the dead-letter queue: those that are DEAD. */
export interface DeadLetters<Jobs extends JobTypes<Jobs> = AnyJobs> {
  /**
   * Lists dead jobs, the latest to die in any queue first; as `list` of the task queue. FIELD_INVALID, PAGE_TOKEN_INVALID,
   * QUEUE_NOT_FOUND.
   */
  list<Type extends TypeOf<Jobs>>(
    query: DeadJobQuery<TypeOf<Jobs>> & OfTypes<Type>,
    options?: CallOptions,
  ): Listing<Job<Jobs, Type>>;
  list(query?: DeadJobQuery<TypeOf<Jobs>>, options?: CallOptions): Listing<Job<Jobs>>;
  /**
   * Counts dead jobs by queue, type and error with numbers and ids taken out: those that it examines, about 100,000. FIELD_INVALID,
   * PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  summarize(filter?: DeadJobFilter<TypeOf<Jobs>>, options?: SummaryOptions & CallOptions): Promise<DeadSummary>;
  /** Resolves to a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  get(id: string, options?: CallOptions): Promise<Job<Jobs>>;
  /** Makes a dead job PENDING again. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD, or another job holds its unique key. */
  replay(id: string, options?: CallOptions): Promise<Job<Jobs>>;
  /**
   * Replays up to 10,000 dead jobs that match, the first to die first. FIELD_INVALID, also for an empty filter without `all`, and for
   * `all` with another; PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  replayMatching(filter: DeadJobFilter<TypeOf<Jobs>>, options?: BulkCall): Promise<BulkResult>;
  /** Deletes a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  delete(id: string, options?: CallOptions): Promise<void>;
  /** Deletes up to 10,000 dead jobs that match, the first to die first. Errors as of `replayMatching`. */
  deleteMatching(filter: DeadJobFilter<TypeOf<Jobs>>, options?: BulkCall): Promise<BulkResult>;
}
