import { EnqueueIds } from "../../model/handler/enqueue-ids.js";
import { type AbortReason, attemptAborted, type EnqueuedJob, toProgress } from "../../model/handler/handler.js";
import { jobBytes, type Progress } from "../../model/job/job.js";
import type { NewJob } from "../../model/job/new-job.js";
import { type JobFields, jobFields } from "../../model/log/job-fields.js";
import type { Logger } from "../../model/log/logger.js";
import type { TraceContext } from "../../model/log/trace-context.js";
import type { AttemptSpan, Tracer } from "../../model/log/tracer.js";
import { toJobRequest, toJobRequests } from "../../model/request/job-request.js";
import type { JobRequest } from "../../model/request/validate.js";
import type { Clock, Timer } from "../clock.js";
import type { RunContext } from "../handler-runner.js";
import type { Lease } from "../port/leases.js";

/** Shortest time between two written progress reports of an attempt, ms. */
const PROGRESS_INTERVAL_MS = 100;

/** What all attempts of a pool share. */
export interface AttemptHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracer: Tracer;
  /** Creates a job of a handler. */
  create(request: JobRequest): Promise<EnqueuedJob>;
  /** Creates several, all or none. */
  createBatch(requests: readonly JobRequest[]): Promise<readonly EnqueuedJob[]>;
  /** Called when a progress report is to be written; it gets the report with `takeProgress`. */
  write(attempt: PoolAttempt): void;
  /** Called when the job's timeout has passed since the handler began, unless the attempt is closed before. */
  expire(attempt: PoolAttempt): void;
}

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
  readonly #host: AttemptHost;
  #controller: AbortController | undefined;
  #timeout: Timer | undefined;
  /** When the timeout passes, ms since 1970; 0: it has none, or has not begun. */
  #endsAt = 0;
  #report: ((percent: number, message?: string) => void) | undefined;
  #enqueue: ((task: NewJob) => Promise<EnqueuedJob>) | undefined;
  #enqueueBatch: ((tasks: readonly NewJob[]) => Promise<readonly EnqueuedJob[]>) | undefined;
  #ids: EnqueueIds | undefined;
  #progress: Progress | undefined;
  #progressTimer: Timer | undefined;

  constructor(lease: Lease, host: AttemptHost) {
    this.lease = lease;
    this.bytes = jobBytes(lease.job);
    this.until = host.clock.monotonic() + lease.expiresInMs;
    this.#host = host;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(attemptAborted(this.aborted, "server"));
    }
    return this.#controller.signal;
  }

  get attempt(): number {
    return this.lease.job.retryCount + 1;
  }

  get deadline(): Date | undefined {
    return this.#endsAt === 0 ? undefined : new Date(this.#endsAt);
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
    return this.#host.logger.child(this.logFields);
  }

  // A bound function, because handlers destructure the context.
  get progress(): (percent: number, message?: string) => void {
    // Made on first access, because most attempts report no progress.
    this.#report ??= (percent, message) => this.#note(percent, message);
    return this.#report;
  }

  // Made on first access, as `progress`.
  get enqueue(): (task: NewJob) => Promise<EnqueuedJob> {
    this.#enqueue ??= async (task) => this.create(toJobRequest(task, this.#trace));
    return this.#enqueue;
  }

  // Made on first access, as `progress`.
  get enqueueBatch(): (tasks: readonly NewJob[]) => Promise<readonly EnqueuedJob[]> {
    this.#enqueueBatch ??= async (tasks) => this.createBatch(toJobRequests(tasks, this.#trace));
    return this.#enqueueBatch;
  }

  async create(request: JobRequest): Promise<EnqueuedJob> {
    return this.#host.create(await this.#withId(request));
  }

  async createBatch(requests: readonly JobRequest[]): Promise<readonly EnqueuedJob[]> {
    return this.#host.createBatch(await Promise.all(requests.map((request) => this.#withId(request))));
  }

  /** What the jobs that the handler creates belong to. */
  get #trace(): TraceContext | undefined {
    return this.#host.tracer.active() ?? this.traceContext;
  }

  async #withId(request: JobRequest): Promise<JobRequest> {
    this.#ids ??= new EnqueueIds(this.lease.job.id);
    return { ...request, requestId: request.requestId ?? (await this.#ids.next(request)) };
  }

  #note(percent: number, message = ""): void {
    if (!this.isOpen) return;
    this.#progress = toProgress(percent, message);
    if (this.#progressTimer !== undefined) return;
    this.#progressTimer = this.#host.clock.setTimer(PROGRESS_INTERVAL_MS, () => {
      this.#progressTimer = undefined;
      if (this.isOpen && this.#progress !== undefined) this.#note(this.#progress.percent, this.#progress.message);
    });
    this.#host.write(this);
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
    if (timeoutMs === 0 || !this.isOpen) return;
    const { clock } = this.#host;
    this.#endsAt = clock.now() + timeoutMs;
    this.#timeout = clock.setTimer(timeoutMs, () => this.#host.expire(this));
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
