import type { Payload, Progress } from "../../model/job/job.js";
import type { RetryDecision } from "../../model/job/outcome.js";
import { jobFields } from "../../model/log/job-fields.js";
import type { Logger } from "../../model/log/logger.js";
import type { Clock } from "../clock.js";
import type { FailureReason } from "../observer.js";
import { Pauses } from "../pauses.js";
import type { Leasing } from "../work/leasing.js";
import type { PoolAttempt } from "./pool-attempt.js";

/** How an attempt ended, and so how its job is to be settled. */
export type AttemptOutcome =
  | { readonly kind: "complete"; readonly result: Payload | undefined }
  | {
      readonly kind: "fail";
      readonly error: string;
      readonly retry: RetryDecision;
      /** Default: what `retry` tells. */
      readonly reason?: FailureReason;
    }
  /** With a delay the job waits for that long, ms. */
  | { readonly kind: "release"; readonly delayMs?: number };

interface Pending {
  readonly attempt: PoolAttempt;
  readonly outcome: AttemptOutcome;
  /** The last progress report, until it is written. */
  report?: Progress | undefined;
}

/** Delay before a failed write is tried again, ms. */
const RETRY_MS = 250;

/** Most outcomes in one write, and most bytes of their results, beyond the first. */
const BATCH = 1000;
const BATCH_BYTES = 4 * 2 ** 20;

/** What is to be written to one queue. */
interface Line {
  pending: Pending[];
  readonly work: Promise<void>;
}

/**
 * Writes the outcomes of attempts, in batches, each queue for itself: one that does not answer holds up no other. Outcomes decided
 * during a write share the next one. While writes fail (the backend is unreachable, for instance), an outcome is kept and tried again
 * until its lease must have expired, or the pool has stopped.
 */
export class PoolSettler {
  readonly #leasing: Leasing;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lines = new Map<string, Line>();
  readonly #pauses: Pauses;
  #isClosed = false;

  constructor(leasing: Leasing, clock: Clock, logger: Logger) {
    this.#leasing = leasing;
    this.#clock = clock;
    this.#pauses = new Pauses(clock);
    this.#logger = logger;
  }

  add(attempt: PoolAttempt, outcome: AttemptOutcome): void {
    const { queue } = attempt.lease.job;
    const line = this.#lines.get(queue);
    if (line !== undefined) line.pending.push({ attempt, outcome });
    else this.#lines.set(queue, this.#begin(queue, [{ attempt, outcome }]));
  }

  /** Resolves when nothing is left to write: every outcome added was written or given up. */
  async idle(): Promise<void> {
    while (this.#lines.size > 0) await Promise.all([...this.#lines.values()].map(({ work }) => work));
  }

  /** The pool has stopped: what cannot be written is not tried again. */
  close(): void {
    this.#isClosed = true;
    this.#pauses.end();
  }

  #begin(queue: string, pending: Pending[]): Line {
    const line = { pending, work: Promise.resolve() };
    line.work = this.#writeAll(queue, line);
    return line;
  }

  async #writeAll(queue: string, line: Line): Promise<void> {
    // Wait a microtask, so that attempts that end in the same turn share this write.
    await Promise.resolve();
    while (line.pending.length > 0) {
      const batch = line.pending.splice(0, countOf(line.pending));
      try {
        await this.#write(batch);
      } catch (error) {
        if (!this.#isClosed) {
          this.#logger.warn({ err: error, jobs: batch.length, queue }, "outcomes could not be written; trying again");
          await this.#pauses.wait(RETRY_MS);
        }
        line.pending.unshift(...batch.filter((item) => this.#isHeld(item)));
      }
    }
    this.#lines.delete(queue);
  }

  /** Whether it is to be tried again; logs the loss if not. Repeating a write that took effect is harmless. */
  #isHeld({ attempt }: Pending): boolean {
    const isOver = this.#clock.monotonic() >= attempt.until;
    if (!isOver && !this.#isClosed) return true;
    const why = isOver ? "its lease ended" : "the server stopped before it could be written";
    this.#logger.error(jobFields(attempt.lease.job), `the outcome of an attempt is lost: ${why}`);
    return false;
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    const { complete, fail, release, progress } = sort(batch);
    // The last progress report must be written before the job is settled.
    if (progress.length > 0) await this.#leasing.extend(progress);
    for (const item of batch) item.report = undefined;
    await Promise.all([
      complete.length > 0 && this.#leasing.complete(complete),
      fail.length > 0 && this.#leasing.fail(fail),
      release.length > 0 && this.#leasing.release(release),
    ]);
  }
}

/** Returns how many of these outcomes, from the first on, go into one write: at least one. */
function countOf(pending: readonly Pending[]): number {
  let bytes = 0;
  let count = 0;
  for (const { outcome } of pending) {
    bytes += outcome.kind === "complete" ? (outcome.result?.length ?? 0) : 0;
    if (count > 0 && (count === BATCH || bytes > BATCH_BYTES)) break;
    count++;
  }
  return count;
}

function sort(batch: readonly Pending[]) {
  const complete = [];
  const fail = [];
  const release = [];
  const progress = [];
  for (const item of batch) {
    const { attempt, outcome } = item;
    const jobId = attempt.lease.job.id;
    const { token } = attempt.lease;
    item.report ??= attempt.takeProgress();
    if (item.report !== undefined) progress.push({ jobId, token, progress: item.report });
    if (outcome.kind === "complete") complete.push({ jobId, token, result: outcome.result });
    else if (outcome.kind === "fail") {
      const { error, retry, reason } = outcome;
      fail.push({ jobId, token, error, retry, reason });
    } else release.push({ jobId, token, delayMs: outcome.delayMs });
  }
  return { complete, fail, release, progress };
}
