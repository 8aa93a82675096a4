import type { SettleKind } from "../../../core/observer.js";
import type { AttemptError, Payload, Progress } from "../../../model/job/job.js";

/** The attempt errors of a job that has none. */
export const NO_ERRORS: readonly AttemptError[] = [];

/** The fields a job needs only after its first change; kept apart so that jobs that never ran stay small. */
export class RunRecord {
  /** Token of the current lease; undefined when there is none. */
  token: string | undefined;
  /** The token that settled the job last, and how: a repeat of that write is then ALREADY_APPLIED. */
  settledToken: string | undefined;
  settledBy: SettleKind | undefined;
  /** When the attempt began, and when the lease ends or, once the job is DONE or CANCELED, when it finished: ms on the monotonic clock. */
  since = 0;
  until = 0;
  /** What the job counts as by `jobBytes` among the finished ones. */
  finishedBytes = 0;
  /** How long the current lease was to last, ms; the longest it was extended by, if that is more. */
  leaseMs = 0;
  revision = 1;
  retryCount = 0;
  deliveries = 0;
  lostLeases = 0;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  worker = "";
  error = "";
  /** The start of `error`, for the change log: one string shared by all of its entries. */
  errorStart = "";
  attemptErrors: readonly AttemptError[] = NO_ERRORS;
  result: Payload | undefined;
  resultDropped = false;
  progress: Progress | undefined;
  cancelRequested = false;

  constructor(public updatedAt: number) {}
}
