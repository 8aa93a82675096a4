import { ABORT_GRACE_MS, type EnqueuedJob } from "../../model/handler/handler.js";
import { guardedLogger, type Logger } from "../../model/log/logger.js";
import type { AttemptEnd, Tracer } from "../../model/log/tracer.js";
import type { JobRequest } from "../../model/request/validate.js";
import type { Clock, Timer } from "../clock.js";
import type { HandlerRunner, RunOutcome } from "../handler-runner.js";
import type { ChangeBatch } from "../port/changes.js";
import type { ExtendResult, Lease } from "../port/leases.js";
import { extendByQueue } from "../stores/extend-by-queue.js";
import { isToExtend, type Leasing } from "../work/leasing.js";
import type { ReadyWork } from "../work/ready-work.js";
import { LeaseFetcher } from "./lease-fetcher.js";
import { type AttemptHost, PoolAttempt } from "./pool-attempt.js";
import { type AttemptOutcome, PoolSettler } from "./pool-settler.js";
import { StuckHandlers } from "./stuck-handlers.js";

/**
 * Bytes of the jobs that run at the same time after which no more are leased: so the slots of a large pool are not all filled when the
 * jobs are large.
 */
const MAX_OPEN_BYTES = 256 * 2 ** 20;

/** Time to write the last outcomes at shutdown, ms. */
const WRITE_GRACE_MS = 2000;

/** Dependencies of a pool. */
export interface WorkerPoolDeps {
  readonly leasing: Leasing;
  readonly work: ReadyWork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracer: Tracer;
  readonly runner: HandlerRunner;
  /** Creates a job that a handler asks for. */
  readonly create: (request: JobRequest) => Promise<EnqueuedJob>;
  /** Creates several, all or none. */
  readonly createBatch: (requests: readonly JobRequest[]) => Promise<readonly EnqueuedJob[]>;
}

/** Settings of a pool. */
export interface WorkerPoolOptions {
  /** Slots: most handlers that run at the same time, for all queues together. 0: the pool runs no jobs. */
  readonly size: number;
  /** How long a lease lasts unless it is extended, ms. It is extended after a third of this. */
  readonly leaseMs: number;
  /** The worker name to lease with. */
  readonly worker: string;
}

type State = "NEW" | "RUNNING" | "DRAINING" | "STOPPED";

/**
 * Has handlers run. It leases as many jobs as it has free slots, of the types there are handlers for, and extends their
 * leases while the handlers run.
 *
 * | state    | newly leased jobs | moves to                                                                          |
 * |----------|-------------------|-----------------------------------------------------------------------------------|
 * | NEW      | there are none    | RUNNING: `start`; DRAINING: `stop`                                                |
 * | RUNNING  | are run           | DRAINING: `stop`                                                                  |
 * | DRAINING | are released      | STOPPED: all attempts have ended, or the time is up and their jobs were released  |
 * | STOPPED  | there are none    |                                                                                   |
 */
export class WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #options: WorkerPoolOptions;
  readonly #settler: PoolSettler;
  /** Open attempts by job id; each occupies a slot. */
  readonly #open = new Map<string, PoolAttempt>();
  /** Bytes of their jobs. */
  #openBytes = 0;
  readonly #stuckHandlers: StuckHandlers;
  readonly #types: readonly string[];
  readonly #logger: Logger;
  readonly #fetcher: LeaseFetcher;
  readonly #host: AttemptHost;
  #state: State = "NEW";
  #heartbeat: Timer | undefined;
  #whenEmpty: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(deps: WorkerPoolDeps, options: WorkerPoolOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#types = deps.runner.types;
    const logger = guardedLogger(deps.logger);
    this.#logger = logger;
    const { clock, tracer, create, createBatch } = deps;
    this.#host = {
      // What handlers log goes to the logger as it was given.
      ...{ clock, tracer, create, createBatch, logger: deps.logger },
      write: (attempt) => void this.#writeProgress(attempt),
      expire: (attempt) => this.#timedOut(attempt),
    };
    this.#stuckHandlers = new StuckHandlers(deps.clock, logger, () => this.wake());
    this.#settler = new PoolSettler(deps.leasing, deps.clock, logger);
    const lane = deps.work.lane(new Set(), this.#types, () => this.#fetcher.wakeSoon());
    this.#fetcher = new LeaseFetcher(
      {
        ...deps,
        logger,
        lane,
        freeSlots: () => (this.#openBytes < MAX_OPEN_BYTES ? options.size - this.active : 0),
        run: (lease) => this.#run(lease),
      },
      { ...options, types: this.#types },
    );
  }

  /** Slots in use. */
  get active(): number {
    return this.#open.size + this.#stuckHandlers.size;
  }

  /** Ids of the jobs whose attempts are open. */
  get jobIds(): readonly string[] {
    return [...this.#open.keys()];
  }

  /** Starts leasing jobs, if there are slots and handlers. Idempotent. */
  start(): void {
    const canRun = this.#options.size > 0 && this.#types.length > 0;
    if (this.#state !== "NEW" || !canRun) return;
    this.#state = "RUNNING";
    this.#armHeartbeat();
    this.#fetcher.open();
  }

  /** Call when a job may have become ready or a slot free. */
  wake(): void {
    this.#fetcher.wake();
  }

  /** Takes changes from the log and acts on those of jobs that run here: cancels requested, leases lost. */
  changed(batch: ChangeBatch): void {
    if (this.#open.size === 0) return;
    for (const change of batch.changes) {
      const attempt = this.#open.get(change.jobId);
      if (attempt === undefined) continue;
      const { deliveries } = attempt.lease.job;
      // Changes of an earlier delivery may arrive late.
      if (change.deliveries < deliveries) continue;
      const isOurs = change.status === "RUNNING" && change.deliveries === deliveries && !change.deleted;
      if (!isOurs) this.#lose(attempt);
      else if (change.cancelRequested) attempt.abort("CANCELED");
    }
  }

  /**
   * Extends the leases that are at least a third of their length old, so that only a worker that is really gone loses
   * one. With `all`, extends every lease, to learn of cancels and lost leases whose changes were missed.
   */
  async keepAlive(all = false): Promise<void> {
    const { clock, leasing } = this.#deps;
    const { leaseMs } = this.#options;
    const now = clock.monotonic();
    // The lease of a cancelled job is not extended: if its handler does not stop, the job ends when the lease expires.
    const due = [...this.#open.values()].filter(
      (attempt) => attempt.aborted !== "CANCELED" && (all || isToExtend(attempt, leaseMs, now)),
    );
    const extensions = due.map((attempt) => {
      const { job, token } = attempt.lease;
      return { jobId: job.id, token, leaseMs, attempt };
    });
    await extendByQueue(leasing, extensions, ({ attempt }, result) => {
      if (result.outcome === "OK") attempt.until = now + leaseMs;
      this.#heed(attempt, result);
    });
  }

  /**
   * Leases no more jobs, lets running ones finish within `timeoutMs`, then aborts their handlers and releases the jobs.
   * Resolves when all outcomes are written, or a few seconds after `timeoutMs` if the backend does not answer.
   * Idempotent.
   */
  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#state = "DRAINING";
    this.#fetcher.close();
    const end = this.#deps.clock.monotonic() + timeoutMs;
    const left = () => Math.max(0, end - this.#deps.clock.monotonic());
    await this.#within(left() + ABORT_GRACE_MS, this.#fetcher.idle());
    await this.#emptyWithin(left());
    for (const attempt of this.#open.values()) attempt.abort("SHUTDOWN");
    await this.#emptyWithin(ABORT_GRACE_MS);
    // Before the jobs are given back: nobody else is to run them beside a handler that goes on here.
    await this.#deps.runner.stop();
    for (const attempt of [...this.#open.values()]) this.#settle(attempt, { kind: "release" });
    await this.#within(left() + WRITE_GRACE_MS, this.#settler.idle());
    this.#settler.close();
    this.#heartbeat?.cancel();
    this.#stuckHandlers.clear();
    this.#state = "STOPPED";
  }

  async #emptyWithin(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    await this.#within(timeoutMs, empty);
    this.#whenEmpty = undefined;
  }

  /** Resolves when `done` does, or after `timeoutMs`. `done` must not reject. */
  async #within(timeoutMs: number, done: Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.setTimer(timeoutMs, resolve);
      void done.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #run(lease: Lease): void {
    // The job may be leased here again before the pool learns that it had lost the earlier lease.
    const earlier = this.#open.get(lease.job.id);
    if (earlier !== undefined) this.#lose(earlier);
    const attempt = new PoolAttempt(lease, this.#host);
    this.#open.set(lease.job.id, attempt);
    this.#openBytes += attempt.bytes;
    // The pool may have been stopped while the lease call was in flight.
    if (this.#state !== "RUNNING") {
      this.#settle(attempt, { kind: "release" });
      return;
    }
    attempt.span = this.#deps.tracer.attempt(lease.job);
    void this.#attempt(attempt);
  }

  /**
   * Fails an attempt whose timeout has passed. A handler that can be ended is waited for, so that no retry runs beside it; any other
   * may keep running.
   */
  #timedOut(attempt: PoolAttempt): void {
    attempt.abort("TIMEOUT");
    if (this.#deps.runner.endsRuns) return;
    this.#stuckHandlers.add(attempt);
    this.#settle(attempt, timeoutOf(attempt, false));
  }

  async #attempt(attempt: PoolAttempt): Promise<void> {
    const { job } = attempt.lease;
    const { runner } = this.#deps;
    const run = () => runner.run(job, attempt);
    const ended = await (attempt.span === undefined ? run() : attempt.span.run(run));
    const outcome = outcomeOf(attempt, ended);
    this.#settle(attempt, outcome, ended.kind === "fail" ? ended.thrown : undefined);
    this.#stuckHandlers.ended(attempt);
    if (ended.kind !== "fail" || outcome.kind === "release") return;
    // The record keeps the text of the error; the stack is here only.
    this.#logger.warn({ ...attempt.logFields, err: ended.thrown }, "an attempt failed");
  }

  /** `thrown`: what the handler of a failed attempt threw, for its span. */
  #settle(attempt: PoolAttempt, outcome: AttemptOutcome, thrown?: unknown): void {
    if (!this.#close(attempt)) return;
    attempt.span?.end(endOf(attempt, outcome), thrown ?? (outcome.kind === "fail" ? outcome.error : undefined));
    this.#settler.add(attempt, outcome);
  }

  #lose(attempt: PoolAttempt): void {
    if (!this.#close(attempt)) return;
    attempt.span?.end("lost", LEASE_ENDED);
    // It is ended soon, and until then it takes up the room of another.
    if (this.#deps.runner.endsRuns) this.#stuckHandlers.add(attempt);
    attempt.abort("LEASE_LOST");
    this.#logger.warn(attempt.logFields, "the lease of a running job ended; its handler was told to stop");
  }

  /** Closes an attempt and frees its slot. Returns whether it was open. */
  #close(attempt: PoolAttempt): boolean {
    if (!attempt.isOpen) return false;
    attempt.close();
    this.#open.delete(attempt.lease.job.id);
    this.#openBytes -= attempt.bytes;
    if (this.#open.size === 0) this.#whenEmpty?.();
    this.#fetcher.wakeSoon();
    return true;
  }

  async #writeProgress(attempt: PoolAttempt): Promise<void> {
    const progress = attempt.takeProgress();
    if (progress === undefined) return;
    const { job, token } = attempt.lease;
    try {
      const [result] = await this.#deps.leasing.extend([{ jobId: job.id, token, progress }]);
      if (result !== undefined) this.#heed(attempt, result);
    } catch (error) {
      attempt.putBackProgress(progress);
      this.#logger.warn(
        { ...attempt.logFields, err: error },
        "progress could not be written; it is kept for the next write",
      );
    }
  }

  #heed(attempt: PoolAttempt, { outcome }: ExtendResult): void {
    if (outcome === "LEASE_LOST") this.#lose(attempt);
    else if (outcome === "CANCEL_REQUESTED") attempt.abort("CANCELED");
  }

  #armHeartbeat(): void {
    this.#heartbeat = this.#deps.clock.setTimer(this.#options.leaseMs / 3, () => {
      this.keepAlive()
        .catch((error) => this.#logger.warn({ err: error }, "leases could not be extended; trying again"))
        .finally(() => {
          if (this.#state === "RUNNING" || this.#open.size > 0) this.#armHeartbeat();
        });
    });
  }
}

/** What becomes of an attempt whose handler ended so. */
function outcomeOf(attempt: PoolAttempt, ended: RunOutcome): AttemptOutcome {
  if (attempt.aborted === "TIMEOUT") return timeoutOf(attempt, ended.kind === "fail" && ended.how === "forced");
  if (ended.kind === "complete") return ended;
  if (ended.kind === "snooze") return { kind: "release", delayMs: ended.delayMs };
  if (attempt.aborted === "SHUTDOWN") return { kind: "release" };
  const { error, retry, how } = ended;
  return { kind: "fail", error, retry, ...(how === "crashed" && { reason: "crashed" }) };
}

function timeoutOf(attempt: PoolAttempt, isForced: boolean): AttemptOutcome {
  const error = `timed out after ${attempt.lease.job.timeoutMs} ms`;
  return { kind: "fail", error: isForced ? `ended by force: ${error}` : error, retry: "DEFAULT", reason: "timeout" };
}

/** What the span of an attempt is told when its lease is lost. */
const LEASE_ENDED = "the lease ended while the handler ran";

function endOf({ aborted }: PoolAttempt, { kind }: AttemptOutcome): AttemptEnd {
  if (kind === "complete") return "completed";
  // A release acknowledges a cancel too.
  if (aborted === "CANCELED") return "canceled";
  return kind === "release" ? "released" : "failed";
}
