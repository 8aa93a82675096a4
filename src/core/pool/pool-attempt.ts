import { type AbortReason, attemptAborted, toProgress } from "../../model/handler.js";
import { jobBytes, type Progress } from "../../model/job.js";
import { type JobFields, jobFields } from "../../model/job-fields.js";
import type { Logger } from "../../model/logger.js";
import type { TraceContext } from "../../model/trace-context.js";
import type { AttemptSpan } from "../../model/tracer.js";
import type { Clock, Timer } from "../clock.js";
import type { RunContext } from "../handler-runner.js";
import type { Lease } from "../port/leases.js";

/** Shortest time between two written progress reports of an attempt, ms. */
const PROGRESS_INTERVAL_MS = 100;

/**
 * One attempt: a leased job and the run of its handler. It is open until its outcome is decided: the handler ended, the
 * job's timeout passed, the lease was lost, or the pool released it at shutdown. A handler that nothing can end may keep
 * running after that, but its result and progress are ignored.
 */
export class PoolAttempt implements RunContext {
  readonly lease: Lease;
  /** Bytes of its job. */
  readonly bytes: number;
  isOpen = true;
  /** Undefined when nobody traces. */
  span: AttemptSpan | undefined;
  /** Why the attempt was aborted; undefined: it was not. */
  aborted: AbortReason | undefined;
  /** When the lease ends, as far as this process knows, on the monotonic clock, ms. */
  until: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #write: (attempt: PoolAttempt) => void;
  readonly #expire: (attempt: PoolAttempt) => void;
  #controller: AbortController | undefined;
  #timeout: Timer | undefined;
  #report: ((percent: number, message?: string) => void) | undefined;
  #progress: Progress | undefined;
  #progressTimer: Timer | undefined;

  /**
   * `write` is called when a progress report is to be written; it gets the report with `takeProgress`. `expire` is called
   * when the job's timeout has passed since the handler began, unless the attempt is closed before.
   */
  constructor(
    lease: Lease,
    clock: Clock,
    logger: Logger,
    write: (attempt: PoolAttempt) => void,
    expire: (attempt: PoolAttempt) => void,
  ) {
    this.lease = lease;
    this.bytes = jobBytes(lease.job);
    this.until = clock.monotonic() + lease.expiresInMs;
    this.#clock = clock;
    this.#logger = logger;
    this.#write = write;
    this.#expire = expire;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(attemptAborted(this.aborted, "server"));
    }
    return this.#controller.signal;
  }

  get traceContext(): TraceContext | undefined {
    return this.span === undefined ? this.lease.job.traceContext : this.span.context;
  }

  /** What each line of the log says of the job. */
  get logFields(): JobFields {
    const { job } = this.lease;
    return jobFields(this.span === undefined ? job : { ...job, traceContext: this.span.context });
  }

  get logger(): Logger {
    return this.#logger.child(this.logFields);
  }

  // A bound function, because handlers destructure the context.
  get progress(): (percent: number, message?: string) => void {
    // Made on first access, because most attempts report no progress.
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

  /** Takes the latest progress report not written yet; undefined if there is none. */
  takeProgress(): Progress | undefined {
    const progress = this.#progress;
    this.#progress = undefined;
    return progress;
  }

  /** Puts back a report that could not be written, unless there is a later one. */
  putBackProgress(progress: Progress): void {
    this.#progress ??= progress;
  }

  began(): void {
    const { timeoutMs } = this.lease.job;
    if (timeoutMs > 0 && this.isOpen) this.#timeout = this.#clock.setTimer(timeoutMs, () => this.#expire(this));
  }

  abort(reason: AbortReason): void {
    if (this.aborted !== undefined) return;
    this.aborted = reason;
    this.#controller?.abort(attemptAborted(reason, "server"));
  }

  /** Closes the attempt, because its outcome is decided. */
  close(): void {
    this.isOpen = false;
    this.#timeout?.cancel();
    this.#progressTimer?.cancel();
  }
}
