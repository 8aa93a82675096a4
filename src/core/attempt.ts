import type { Lease } from "./backend.js";
import type { Clock, Timer } from "./clock.js";
import { type AbortReason, AttemptAborted, type HandlerContext } from "./handler.js";
import type { Progress } from "./job.js";
import { LIMITS } from "./limits.js";
import type { Logger } from "./logger.js";
import { cutText } from "./text.js";

/** Least time between two written progress reports of one attempt, ms. */
const PROGRESS_INTERVAL_MS = 100;

/**
 * One run of a handler. It is open until its outcome is decided: the handler ended, its time was up, or the lease was
 * lost. A handler may go on after that (nothing can stop it), but what it does then changes nothing.
 */
export class Attempt implements HandlerContext {
  readonly lease: Lease;
  isOpen = true;
  /** Why the signal was aborted, if it was. */
  aborted: AbortReason | undefined;
  /** When the lease was taken or extended last, on the monotonic clock. */
  heldAt: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #write: (attempt: Attempt) => void;
  #controller: AbortController | undefined;
  #timeout: Timer | undefined;
  #report: ((percent: number, message?: string) => void) | undefined;
  #progress: Progress | undefined;
  #progressTimer: Timer | undefined;

  /** `write` is called when a progress report is due to be written; it takes it with `takeProgress`. */
  constructor(lease: Lease, clock: Clock, logger: Logger, write: (attempt: Attempt) => void) {
    this.lease = lease;
    this.heldAt = clock.monotonic();
    this.#clock = clock;
    this.#logger = logger;
    this.#write = write;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(abortError(this.aborted));
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
    const bounded = Math.min(100, Math.max(0, Number(percent) || 0));
    this.#progress = { percent: bounded, message: cutText(String(message), LIMITS.progressLength).toWellFormed() };
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
    this.#controller?.abort(abortError(reason));
  }

  /** The outcome is decided. */
  close(): void {
    this.isOpen = false;
    this.#timeout?.cancel();
    this.#progressTimer?.cancel();
  }
}

function abortError(reason: AbortReason): AttemptAborted {
  return new AttemptAborted(reason, MESSAGES[reason]);
}

const MESSAGES: Readonly<Record<AbortReason, string>> = {
  CANCELED: "the job was cancelled",
  TIMEOUT: "the attempt took longer than the job's timeout",
  SHUTDOWN: "the server is shutting down",
  LEASE_LOST: "the lease was lost: another worker may run the job",
};
