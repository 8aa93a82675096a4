import type { EnqueuedJob, HandlerContext } from "../model/handler/handler.js";
import type { Job, Payload } from "../model/job/job.js";
import type { RetryDecision } from "../model/job/outcome.js";
import type { JobRequest } from "../model/request/validate.js";

/** What a handler sees of its job, as it is kept: the payload is JSON text or bytes. */
export type RunJob = Pick<
  Job,
  | "id"
  | "queue"
  | "type"
  | "payload"
  | "priority"
  | "metadata"
  | "deliveries"
  | "retryCount"
  | "maxRetries"
  | "timeoutMs"
  | "createdAt"
  | "key"
  | "schedule"
  | "scheduledFor"
  | "traceContext"
>;

/** How the run of a handler ended. */
export type RunOutcome =
  | { readonly kind: "complete"; readonly result: Payload | undefined }
  /** The job is to run again after so many ms. */
  | { readonly kind: "snooze"; readonly delayMs: number }
  | {
      readonly kind: "fail";
      /** As it is kept with the job. */
      readonly error: string;
      readonly retry: RetryDecision;
      /** What was thrown, or its description, for the log. */
      readonly thrown: unknown;
      /**
       * - thrown: the handler threw.
       * - forced: it went on after its signal was aborted, and was ended from outside.
       * - crashed: what it ran in ended.
       */
      readonly how: "thrown" | "forced" | "crashed";
    };

/** What a run may use, and what it tells the pool. */
export interface RunContext extends HandlerContext {
  /** To be called once, when the handler is about to run: from now on the job's timeout counts. */
  began(): void;
  /** As `enqueue`, of a request that the handler's side has converted. */
  create(request: JobRequest): Promise<EnqueuedJob>;
  /** As `enqueueBatch`, of such requests. */
  createBatch(requests: readonly JobRequest[]): Promise<readonly EnqueuedJob[]>;
}

/** Handlers that ran lately. */
export interface RecentRuns {
  /** The job whose handler took the longest from its call until it returned, the wait for its promise not included. */
  readonly longest: { readonly job: RunJob; readonly ms: number } | undefined;
  /** Those that ended, and those that go on: some of them, when there are many. */
  readonly jobs: readonly RunJob[];
}

/** Runs the handlers of a worker pool: in this process, or somewhere else. */
export interface HandlerRunner {
  /** The job types there are handlers for. */
  readonly types: readonly string[];
  /**
   * Whether each run surely ends soon after its signal was aborted, by force if need be. If not, nothing can stop a handler
   * that goes on: the pool decides the job without it.
   */
  readonly endsRuns: boolean;
  /** Runs the handler of a job. Never rejects. */
  run(job: RunJob, context: RunContext): Promise<RunOutcome>;
  /** The handlers that ran in this thread since the last call. Undefined: that is not known, or none run here. */
  recent?(): RecentRuns;
  /** Ends what still runs, if it can. Resolves, within seconds, when nothing is left of it. Idempotent. */
  stop(): Promise<void>;
}
