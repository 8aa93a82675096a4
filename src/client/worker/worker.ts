import { hostname } from "node:os";
import { type Lease, SettleResult } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import {
  ABORT_GRACE_MS,
  type AbortReason,
  callHandler,
  type Handlers,
  type HandlersOf,
  handlerTypes,
  STUCK_HANDLER_MS,
} from "../../model/handler/handler.js";
import { withMiddleware } from "../../model/handler/middleware.js";
import type { JobTypes } from "../../model/job/job-types.js";
import { guardedLogger, type Logger } from "../../model/log/logger.js";
import type { AttemptEnd } from "../../model/log/tracer.js";
import { setLongTimer } from "../../model/process/long-timer.js";
import { onStopSignals } from "../../model/process/stop-signals.js";
import { createTracer } from "../../telemetry/tracer.js";
import { lengthOf } from "../convert/times.js";
import { createHeaders } from "../token.js";
import { type AttemptOutcome, completed, failed } from "./attempt-outcome.js";
import { JobStreams } from "./job-streams.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { createStderrLogger } from "./stderr-logger.js";
import { type AttemptHost, type JobSource, RemoteJob, WorkerAttempt } from "./worker-attempt.js";
import { createAtServers, createBatchAtServers } from "./worker-creates.js";
import { createTroubleLogger, WorkerEmitter, type WorkerEvents } from "./worker-events.js";
import type { WorkerOptions } from "./worker-options.js";
import { createWorkerServers, type WorkerServers } from "./worker-servers.js";
import { WorkerSettler } from "./worker-settler.js";

/** A worker that runs jobs of a server in this process. */
export interface Worker {
  /**
   * Starts taking jobs. Resolves when it is connected, which it tries for as long as the server is away; rejects with
   * a `TaskQueueError` when the server refuses it: QUEUE_NOT_FOUND, FIELD_INVALID. Idempotent.
   */
  start(): Promise<void>;
  /**
   * Takes no more jobs, releases those that have not begun, lets running handlers finish within `timeoutMs` (default: `stopTimeoutMs`), then
   * aborts them and releases their jobs (no retry used). Resolves when every outcome is sent; while the server is
   * away that is tried until the leases end. Idempotent.
   */
  stop(options?: { readonly timeoutMs?: number | undefined }): Promise<void>;
  /** Resolves when it has stopped. */
  readonly stopped: Promise<void>;
  /** Ids of the jobs it holds a lease of: running, leased ahead, or not settled yet. */
  readonly jobIds: readonly string[];
  /** Has a listener called at each event of this name. A listener that throws harms nobody: that is logged. */
  on<Name extends keyof WorkerEvents>(name: Name, listener: WorkerEvents[Name]): this;
  /** As `on`, once only. */
  once<Name extends keyof WorkerEvents>(name: Name, listener: WorkerEvents[Name]): this;
  /** Ends what `on` or `once` began. */
  off<Name extends keyof WorkerEvents>(name: Name, listener: WorkerEvents[Name]): this;
  /** Stops it: `await using worker = createWorker(…)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates a worker. Nothing runs until it is started. With `Jobs` given, handlers that do not fit the declared jobs do not compile. Throws a
 * TypeError for options that cannot be used.
 */
export function createWorker(options: WorkerOptions): Worker;
export function createWorker<Jobs extends JobTypes<Jobs>>(options: WorkerOptions<Partial<HandlersOf<Jobs>>>): Worker;
export function createWorker(options: WorkerOptions<object>): Worker {
  return new StreamWorker(options as WorkerOptions);
}

/** What is kept of a result that nobody listens for. */
const NOT_KEPT = Symbol("not kept");

class StreamWorker extends WorkerEmitter implements Worker {
  readonly stopped: Promise<void>;
  readonly #options: WorkerOptions;
  readonly #handlers: Handlers;
  readonly #concurrency: number;
  readonly #host: AttemptHost;
  /** For what is wrong with this worker, and for what it does. */
  readonly #logger: Logger;
  /** For failed attempts, and listeners that throw. */
  readonly #plainLogger: Logger;
  readonly #servers: WorkerServers;
  readonly #settler: WorkerSettler;
  readonly #keeper: LeaseKeeper;
  readonly #streams: JobStreams;
  readonly #tracer = createTracer();
  /** Leases that are not over, by job id. */
  readonly #held = new Map<string, WorkerAttempt>();
  /** Leased, and waiting for a slot. */
  readonly #waiting: WorkerAttempt[] = [];
  /** Slots in use. */
  #slots = 0;
  /** Whether handlers may be started: until the stop. */
  #isTaking = true;
  #started: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #resolveStopped = () => {};
  #whenIdle: (() => void) | undefined;
  #forgetSignals = () => {};
  readonly #stopByAbort = () => void this.stop();

  constructor(options: WorkerOptions) {
    const { url, queues = [], handlers, headers, leaseMs = 30_000, concurrency = 10, prefetch = 0 } = options;
    const logger = options.logger ?? createStderrLogger();
    const plainLogger = guardedLogger(logger);
    super(plainLogger);
    this.#options = options;
    this.#concurrency = concurrency;
    this.#plainLogger = plainLogger;
    this.#logger = createTroubleLogger(plainLogger, this, options.logger === undefined);
    this.#host = {
      // What handlers log goes to the logger as it was given.
      ...{ logger, tracer: this.#tracer },
      report: (attempt) => this.#keeper.report(attempt),
      create: (task) => createAtServers(this.#servers, task),
      createBatch: (tasks) => createBatchAtServers(this.#servers, tasks),
    };
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.#handlers = withMiddleware(handlers, options.middleware);
    const types = handlerTypes(this.#handlers);
    if (types.length === 0) throw new TypeError("handlers: there must be at least one");
    if (!(Number.isInteger(concurrency) && concurrency >= 1)) throw new TypeError("concurrency: must be 1 or more");
    if (!(Number.isInteger(prefetch) && prefetch >= 0)) throw new TypeError("prefetch: must be 0 or more");
    if (concurrency + prefetch > 1000) throw new TypeError("concurrency and prefetch: must be 1000 or less together");
    this.#servers = createWorkerServers(url, options);
    const headersOf = createHeaders({ headers });
    const deps = { servers: this.#servers, headersOf: () => headersOf(undefined), logger: this.#logger };
    const capacity = concurrency + prefetch;
    this.#settler = new WorkerSettler({
      ...deps,
      capacity,
      settled: (attempt, outcome, result) => this.#settled(attempt, outcome, result),
    });
    this.#keeper = new LeaseKeeper({
      ...deps,
      leaseMs,
      held: () => this.#held.values(),
      lost: (attempt) => this.#lose(attempt),
    });
    this.#streams = new JobStreams({
      ...deps,
      request: { worker: options.name ?? `${hostname()}/${process.pid}`, queues, types, leaseMs },
      capacity,
      orphans: () => this.#orphans().length,
      leased: (lease, source) => this.#take(lease, source),
      canceled: (jobId) => this.#cancel(jobId),
      over: (source) => void this.#keep(source),
    });
  }

  get jobIds(): readonly string[] {
    return [...this.#held.keys()];
  }

  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  stop({ timeoutMs = this.#options.stopTimeoutMs ?? 10_000 } = {}): Promise<void> {
    this.#stopping ??= this.#stop(timeoutMs);
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    if (this.#stopping !== undefined) return;
    const { signal, stopOnSignals } = this.#options;
    if (signal?.aborted) return this.stop();
    signal?.addEventListener("abort", this.#stopByAbort);
    if (stopOnSignals) this.#stopOnSignals();
    this.#keeper.start();
    try {
      await this.#streams.start();
    } catch (error) {
      await this.stop({ timeoutMs: 0 });
      throw error;
    }
  }

  #stopOnSignals(): void {
    this.#forgetSignals = onStopSignals(process, () => performance.now(), {
      stop: () => void this.stop(),
      again: (signal) => {
        // Without a listener it has the effect that it has by itself.
        this.#forgetSignals();
        process.kill(process.pid, signal);
      },
    });
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#isTaking = false;
    this.#settler.pause();
    await this.#streams.stop();
    this.#settler.resume();
    for (const attempt of this.#waiting.splice(0)) this.#settle(attempt, { kind: "release" });
    await this.#idleWithin(timeoutMs);
    this.#abortAll("SHUTDOWN");
    await this.#idleWithin(ABORT_GRACE_MS);
    for (const attempt of this.#held.values()) this.#settle(attempt, { kind: "release" });
    await this.#settler.idle();
    this.#keeper.stop();
    this.#servers.close();
    this.#forgetSignals();
    this.#options.signal?.removeEventListener("abort", this.#stopByAbort);
    this.#resolveStopped();
  }

  #take({ job, leaseToken, leaseExpiresIn }: Lease, source: JobSource): void {
    if (job === undefined) return;
    // The job may be leased to this worker again before it learns that it lost the earlier lease.
    const earlier = this.#held.get(job.id);
    if (earlier !== undefined) this.#lose(earlier);
    const until = performance.now() + (lengthOf(leaseExpiresIn) ?? 0);
    const attempt = new WorkerAttempt(job, leaseToken, until, source, this.#host);
    source.held++;
    this.#held.set(job.id, attempt);
    if (this.#isTaking && this.#slots < this.#concurrency) void this.#run(attempt);
    else this.#waiting.push(attempt);
  }

  async #run(attempt: WorkerAttempt): Promise<void> {
    const { job, timeoutMs } = attempt;
    this.#slots++;
    attempt.hasSlot = true;
    if (timeoutMs > 0) {
      attempt.endsAt = Date.now() + timeoutMs;
      attempt.timer = setLongTimer(timeoutMs, () => this.#timedOut(attempt, timeoutMs));
    }
    let outcome: AttemptOutcome;
    let thrown: unknown;
    try {
      attempt.remote = new RemoteJob(job);
      const { remote } = attempt;
      attempt.span = this.#tracer.attempt(job);
      const call = () => callHandler(this.#handlers, remote, attempt);
      const value = await (attempt.span === undefined ? call() : attempt.span.run(call));
      outcome = completed(value);
      attempt.ended = this.listenerCount("completed") > 0 ? value : NOT_KEPT;
    } catch (error) {
      thrown = error;
      outcome = attempt.aborted === "SHUTDOWN" ? { kind: "release" } : failed(error);
    }
    if (attempt.unwritten !== undefined) await this.#keeper.flush(attempt);
    attempt.hasEnded = true;
    const isDecided = this.#settle(attempt, outcome, thrown);
    this.#freeSlot(attempt);
    if (!isDecided || outcome.kind !== "fail") return;
    attempt.thrown = thrown;
    // The job keeps only the text of the error, so the stack is logged here.
    if (this.#options.logger !== undefined || this.listenerCount("failed") === 0) {
      this.#plainLogger.warn({ ...attempt.logFields, err: thrown }, "an attempt failed");
    }
  }

  #timedOut(attempt: WorkerAttempt, timeoutMs: number): void {
    attempt.abort("TIMEOUT");
    const error = `timed out after ${timeoutMs} ms`;
    attempt.thrown = new Error(error);
    this.#settle(attempt, { kind: "fail", error, retryKind: { case: undefined } });
  }

  /**
   * Decides the outcome and hands it to the settler. Returns false when it was decided already. `thrown`: what the handler threw,
   * for the span.
   */
  #settle(attempt: WorkerAttempt, outcome: AttemptOutcome, thrown?: unknown): boolean {
    if (!this.#close(attempt)) return false;
    attempt.span?.end(endOf(attempt, outcome), thrown ?? (outcome.kind === "fail" ? outcome.error : undefined));
    this.#settler.add(attempt, outcome);
    return true;
  }

  /** The lease is lost: another worker may run the job now. */
  #lose(attempt: WorkerAttempt): void {
    const wasOpen = this.#close(attempt);
    this.#forget(attempt);
    if (wasOpen) attempt.span?.end("lost", "the lease ended while the handler ran");
    attempt.abort("LEASE_LOST");
    // The server counts this lease as over and sends the next job: that must not wait for a handler that may never end.
    this.#freeSlot(attempt);
    if (wasOpen) this.#logger.warn(attempt.logFields, "the lease of a running job ended; its handler was told to stop");
  }

  #cancel(jobId: string): void {
    const attempt = this.#held.get(jobId);
    if (attempt === undefined) return;
    attempt.abort("CANCELED");
    // For a job that has not begun, the release acknowledges the cancel.
    if (!attempt.hasSlot) this.#settle(attempt, { kind: "release" });
  }

  /** Marks the attempt as decided. Returns false when it already was. */
  #close(attempt: WorkerAttempt): boolean {
    if (!attempt.isOpen) return false;
    attempt.isOpen = false;
    attempt.timer?.cancel();
    if (!attempt.hasSlot) this.#remove(attempt);
    // A handler cannot be stopped from outside. One that goes on must not keep its slot for ever.
    else if (!attempt.hasEnded) attempt.timer = setLongTimer(STUCK_HANDLER_MS, () => this.#freeSlot(attempt));
    return true;
  }

  /** Takes an attempt out of those that wait for a slot. */
  #remove(attempt: WorkerAttempt): void {
    const at = this.#waiting.indexOf(attempt);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  #freeSlot(attempt: WorkerAttempt): void {
    attempt.timer?.cancel();
    if (!attempt.hasSlot) return;
    attempt.hasSlot = false;
    this.#slots--;
    if (this.#slots === 0) this.#whenIdle?.();
    const next = this.#isTaking ? this.#waiting.shift() : undefined;
    if (next !== undefined) void this.#run(next);
  }

  /** Called when the outcome of an attempt was told; `result`: undefined: its lease had ended before. */
  #settled(attempt: WorkerAttempt, outcome: AttemptOutcome, result: SettleResult | undefined): void {
    this.#forget(attempt);
    const { remote, ended } = attempt;
    if (remote === undefined || (result !== SettleResult.APPLIED && result !== SettleResult.ALREADY_APPLIED)) return;
    if (outcome.kind === "complete" && ended !== NOT_KEPT) this.emit("completed", remote, ended);
    // A result that the server refused has failed the attempt.
    if (outcome.kind === "fail") this.emit("failed", remote, attempt.thrown ?? new Error(outcome.error));
  }

  /** Called when the lease is over: settled or lost. */
  #forget(attempt: WorkerAttempt): void {
    if (this.#held.get(attempt.jobId) !== attempt) return;
    this.#held.delete(attempt.jobId);
    attempt.source.held--;
    if (!attempt.source.isTaking) this.#streams.fill();
  }

  /** Returns the leases that came on streams which have ended or drain. */
  #orphans(): readonly WorkerAttempt[] {
    return [...this.#held.values()].filter(({ source }) => !source.isTaking);
  }

  /** Extends the leases of a stream that is over, so that the server does not release them: their jobs go on. */
  async #keep(source: JobSource): Promise<void> {
    const attempts = [...this.#held.values()].filter((attempt) => attempt.source === source);
    await this.#keeper.extend(attempts).catch((error) => {
      // Those that are over meanwhile needed no extension.
      if (!attempts.some((attempt) => this.#held.get(attempt.jobId) === attempt)) return;
      this.#logger.warn({ err: error, jobs: attempts.length }, "leases could not be extended; trying again");
      this.#keeper.soon();
    });
  }

  #abortAll(reason: AbortReason): void {
    for (const attempt of this.#held.values()) if (attempt.isOpen) attempt.abort(reason);
  }

  /** Resolves when no handler holds a slot, or after `timeoutMs`. */
  async #idleWithin(timeoutMs: number): Promise<void> {
    if (this.#slots === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setLongTimer(timeoutMs, resolve);
      this.#whenIdle = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

function endOf({ aborted }: WorkerAttempt, { kind }: AttemptOutcome): AttemptEnd {
  if (kind === "complete") return "completed";
  // A release acknowledges a cancel too.
  if (aborted === "CANCELED") return "canceled";
  return kind === "release" ? "released" : "failed";
}
