import { type AbortReason, attemptAborted, type HandlerContext, toProgress } from "../../model/handler.js";
import type { Progress } from "../../model/job.js";
import type { Logger } from "../../model/logger.js";
import type { Lease } from "../backend.js";
import type { Clock, Timer } from "../clock.js";

/** Least time between two written progress reports of one attempt, ms. */
const PROGRESS_INTERVAL_MS = 100;

/**
 * One run of a handler. It is open until its outcome is decided: the handler ended, its time was up, or the lease was
 * lost. A handler may go on after that (nothing can stop it), but what it does then changes nothing.
 */
export class PoolAttempt implements HandlerContext {
  readonly lease: Lease;
  isOpen = true;
  /** Why the signal was aborted, if it was. */
  aborted: AbortReason | undefined;
  /** When the lease was taken or extended last, on the monotonic clock. */
  heldAt: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #write: (attempt: PoolAttempt) => void;
  #controller: AbortController | undefined;
  #timeout: Timer | undefined;
  #report: ((percent: number, message?: string) => void) | undefined;
  #progress: Progress | undefined;
  #progressTimer: Timer | undefined;

  /** `write` is called when a progress report is due to be written; it takes it with `takeProgress`. */
  constructor(lease: Lease, clock: Clock, logger: Logger, write: (attempt: PoolAttempt) => void) {
    this.lease = lease;
    this.heldAt = clock.monotonic();
    this.#clock = clock;
    this.#logger = logger;
    this.#write = write;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(attemptAborted(this.aborted, "server"));
    }
    return this.#controller.signal;
  }

  get logger(): Logger {
    const { id, queue, type } = this.lease.job;
    return this.#logger.child({ job: id, queue, type });
  }

  // Bound, as handlers take it out of the context.
  get progress(): (percent: number, message?: string) => void {
    // Most attempts report none.
    this.#report ??= (percent, message) => this.#note(percent, message);
    return this.#report;
  }

  #note(percent: number, message = ""): void {
    if (!this.isOpen) return;
    this.#progress = toProgress(percent, message);
    if (this.#progressTimer !== undefined) return;
    this.#progressTimer = this.#clock.setTimer(PROGRESS_INTERVAL_MS, () => {
      this.#progressTimer = undefined;
      if (this.isOpen && this.#progress !== undefined) this.#note(this.#progress.percent, this.#progress.message);
    });
    this.#write(this);
  }

  /** The latest report that was not written yet. */
  takeProgress(): Progress | undefined {
    const progress = this.#progress;
    this.#progress = undefined;
    return progress;
  }

  /** A report that was taken could not be written: it counts again, unless there is a later one. */
  putBackProgress(progress: Progress): void {
    this.#progress ??= progress;
  }

  /** Calls `expire` when the job's timeout has passed. */
  startTimeout(expire: () => void): void {
    const { timeoutMs } = this.lease.job;
    if (timeoutMs > 0) this.#timeout = this.#clock.setTimer(timeoutMs, expire);
  }

  abort(reason: AbortReason): void {
    if (this.aborted !== undefined) return;
    this.aborted = reason;
    this.#controller?.abort(attemptAborted(reason, "server"));
  }

  /** The outcome is decided. */
  close(): void {
    this.isOpen = false;
    this.#timeout?.cancel();
    this.#progressTimer?.cancel();
  }
}
