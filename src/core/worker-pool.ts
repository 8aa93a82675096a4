import { ABORT_GRACE_MS, type Handlers } from "../model/handler.js";
import { errorText, retryDecision, toResult } from "../model/handler-outcome.js";
import type { Logger } from "../model/logger.js";
import { Attempt } from "./attempt.js";
import type { ChangeBatch, ExtendResult, Lease } from "./backend.js";
import type { Clock, Timer } from "./clock.js";
import { LeasedJob } from "./leased-job.js";
import type { Leasing } from "./leasing.js";
import { Lingering } from "./lingering.js";
import { nextTurn } from "./next-turn.js";
import type { QueueSelector } from "./selector.js";
import { type AttemptOutcome, Settler } from "./settler.js";

/** How long the last outcomes may take to be written at shutdown, ms. */
const WRITE_GRACE_MS = 2000;

/** Jobs leased before everything else in the event loop gets a turn: handlers may settle without ever waiting. */
const TURN = 250;

/**
 * Lease calls under way at the same time while there is a backlog: one is on its way while the jobs of the other run. Each
 * then takes half of the slots at the most.
 */
const FETCHES = 2;

/** Wait before leasing again after the backend failed, ms. */
const RETRY_MS = 250;

/** What a pool is made of. */
export interface WorkerPoolDeps {
  readonly leasing: Leasing;
  readonly selector: QueueSelector;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handlers: Handlers;
}

/** Settings of a pool. */
export interface WorkerPoolOptions {
  /** Slots: handlers that run at the same time, all queues together. 0: none. */
  readonly size: number;
  /** How long a lease lasts unless extended; it is extended after a third of this. */
  readonly leaseMs: number;
  /** The name it leases under. */
  readonly worker: string;
}

/**
 * Runs handlers in this process. It leases as many jobs as it has free slots, of the types it has handlers for, and
 * keeps their leases while the handlers run. It never polls: `wake` tells it that a job may be ready.
 */
export class WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #options: WorkerPoolOptions;
  readonly #types: readonly string[];
  readonly #settler: Settler;
  /** Open attempts by job id: each holds a slot. */
  readonly #open = new Map<string, Attempt>();
  readonly #lingering: Lingering;
  #isTaking = false;
  readonly #write = (attempt: Attempt) => void this.#writeProgress(attempt);
  readonly #fetches = new Set<Promise<void>>();
  /** Slots that lease calls under way were promised. */
  #promised = 0;
  /** Whether the last lease call got as many jobs as it asked for. */
  #isBacklog = false;
  #wakes = 0;
  #isFreed = false;
  #heartbeat: Timer | undefined;
  #retry: Timer | undefined;
  #whenEmpty: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(deps: WorkerPoolDeps, options: WorkerPoolOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#types = Object.keys(deps.handlers);
    this.#lingering = new Lingering(deps.clock, deps.logger, () => this.wake());
    this.#settler = new Settler(deps.leasing, deps.clock, deps.logger);
  }

  /** Slots in use. */
  get active(): number {
    return this.#open.size + this.#lingering.size;
  }

  /** Ids of the jobs whose outcome is not decided yet. */
  get jobIds(): readonly string[] {
    return [...this.#open.keys()];
  }

  /** Begins to take jobs. */
  start(): void {
    if (this.#stopped !== undefined || this.#isTaking) return;
    this.#isTaking = this.#options.size > 0 && this.#types.length > 0;
    this.#armHeartbeat();
    this.wake();
  }

  /** A job may be ready, or a slot may be free. */
  wake(): void {
    this.#wakes++;
    if (!this.#isTaking || this.#fetches.size >= (this.#isBacklog ? FETCHES : 1) || this.#free() === 0) return;
    const fetch: Promise<void> = this.#fetch().finally(() => this.#fetches.delete(fetch));
    this.#fetches.add(fetch);
  }

  /** Slots that a lease call may fill. */
  #free(): number {
    const free = Math.max(0, this.#options.size - this.active - this.#promised);
    return this.#isBacklog ? Math.min(free, Math.ceil(this.#options.size / FETCHES)) : free;
  }

  /** A slot is free: those that become so in the same turn are filled together. */
  #freed(): void {
    if (this.#isFreed) return;
    this.#isFreed = true;
    void nextTurn().then(() => {
      this.#isFreed = false;
      this.wake();
    });
  }

  /** Looks for what concerns running jobs: cancels asked for, leases lost. */
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
   * Extends the leases that are due for it, so that only a worker that is really gone loses one; or `all`, to learn of
   * cancels and lost leases that nobody told.
   */
  async keepAlive(all = false): Promise<void> {
    const { clock, leasing } = this.#deps;
    const { leaseMs } = this.#options;
    const now = clock.monotonic();
    // A cancelled job is not kept: when its handler does not stop, it ends with the lease.
    const due = [...this.#open.values()].filter(
      (attempt) => attempt.aborted !== "CANCELED" && (all || now - attempt.heldAt >= leaseMs / 3),
    );
    if (due.length === 0) return;
    const results = await leasing.extend(
      due.map(({ lease }) => ({ jobId: lease.job.id, token: lease.token, leaseMs })),
    );
    due.forEach((attempt, index) => {
      const result = results[index];
      if (result?.outcome === "OK") attempt.heldAt = now;
      if (result !== undefined) this.#heed(attempt, result);
    });
  }

  /**
   * Takes no more jobs, lets those that run finish within `timeoutMs`, then aborts them and gives them back. Resolves
   * when every outcome is written, or a moment after the time is up when the backend does not answer. Idempotent.
   */
  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#isTaking = false;
    const end = this.#deps.clock.monotonic() + timeoutMs;
    const left = () => Math.max(0, end - this.#deps.clock.monotonic());
    const fetched = Promise.all(this.#fetches).then(() => {});
    if (this.#fetches.size > 0) await this.#within(left() + ABORT_GRACE_MS, fetched);
    await this.#emptyWithin(left());
    for (const attempt of this.#open.values()) attempt.abort("SHUTDOWN");
    await this.#emptyWithin(ABORT_GRACE_MS);
    for (const attempt of [...this.#open.values()]) this.#settle(attempt, { kind: "release" });
    await this.#within(left() + WRITE_GRACE_MS, this.#settler.idle());
    this.#heartbeat?.cancel();
    this.#retry?.cancel();
    this.#lingering.clear();
  }

  async #emptyWithin(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    await this.#within(timeoutMs, empty);
    this.#whenEmpty = undefined;
  }

  /** Waits for something, but no longer than this. */
  async #within(timeoutMs: number, done: Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.setTimer(timeoutMs, resolve);
      void done.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Leases until there is no free slot or no ready job. */
  async #fetch(): Promise<void> {
    let leased = 0;
    try {
      for (;;) {
        const wakes = this.#wakes;
        const max = this.#free();
        if (!this.#isTaking || max === 0) break;
        const leases = await this.#lease(max);
        const [first] = leases;
        if (first !== undefined) this.#deps.selector.served(first.job.queue);
        for (const lease of leases) this.#run(lease);
        this.#isBacklog = leases.length === max;
        if (leases.length === 0 && wakes === this.#wakes) break;
        leased += leases.length;
        if (leased >= TURN) {
          leased = 0;
          await nextTurn();
        }
      }
    } catch (error) {
      this.#deps.logger.warn({ err: error }, "jobs could not be leased; trying again");
      this.#retry ??= this.#deps.clock.setTimer(RETRY_MS, () => {
        this.#retry = undefined;
        this.wake();
      });
    }
  }

  async #lease(max: number): Promise<readonly Lease[]> {
    this.#promised += max;
    try {
      return await this.#deps.leasing.lease({
        queues: this.#deps.selector.next(),
        types: this.#types,
        max,
        leaseMs: this.#options.leaseMs,
        worker: this.#options.worker,
      });
    } finally {
      this.#promised -= max;
    }
  }

  #run(lease: Lease): void {
    // The job may come to us again before we are told that we had lost it.
    const earlier = this.#open.get(lease.job.id);
    if (earlier !== undefined) this.#lose(earlier);
    const attempt = new Attempt(lease, this.#deps.clock, this.#deps.logger, this.#write);
    this.#open.set(lease.job.id, attempt);
    // The pool may have been stopped while the lease was under way.
    if (!this.#isTaking) {
      this.#settle(attempt, { kind: "release" });
      return;
    }
    if (lease.job.timeoutMs > 0) attempt.startTimeout(() => this.#expire(attempt));
    void this.#attempt(attempt);
  }

  /** The time of an attempt is up. */
  #expire(attempt: Attempt): void {
    attempt.abort("TIMEOUT");
    this.#lingering.add(attempt);
    const error = `timed out after ${attempt.lease.job.timeoutMs} ms`;
    this.#settle(attempt, { kind: "fail", error, retry: "DEFAULT" });
  }

  async #attempt(attempt: Attempt): Promise<void> {
    const { job } = attempt.lease;
    let outcome: AttemptOutcome;
    try {
      const value = this.#deps.handlers[job.type]?.(new LeasedJob(job), attempt);
      outcome = { kind: "complete", result: toResult(await value) };
    } catch (error) {
      if (attempt.aborted === "SHUTDOWN") outcome = { kind: "release" };
      else {
        // The record keeps the text of the error; the stack is here only.
        const { id, queue, type, retryCount } = job;
        this.#deps.logger.warn({ err: error, job: id, queue, type, retryCount }, "an attempt failed");
        outcome = { kind: "fail", error: errorText(error), retry: retryDecision(error) };
      }
    }
    this.#settle(attempt, outcome);
    this.#lingering.ended(attempt);
  }

  #settle(attempt: Attempt, outcome: AttemptOutcome): void {
    if (!this.#close(attempt)) return;
    this.#settler.add(attempt, outcome);
  }

  #lose(attempt: Attempt): void {
    if (!this.#close(attempt)) return;
    const { id, type } = attempt.lease.job;
    attempt.abort("LEASE_LOST");
    this.#deps.logger.warn({ job: id, type }, "the lease of a running job ended; its handler was told to stop");
  }

  /** Ends an attempt and frees its slot. Answers whether it was open. */
  #close(attempt: Attempt): boolean {
    if (!attempt.isOpen) return false;
    attempt.close();
    this.#open.delete(attempt.lease.job.id);
    if (this.#open.size === 0) this.#whenEmpty?.();
    this.#freed();
    return true;
  }

  async #writeProgress(attempt: Attempt): Promise<void> {
    const progress = attempt.takeProgress();
    if (progress === undefined) return;
    const { job, token } = attempt.lease;
    try {
      const [result] = await this.#deps.leasing.extend([{ jobId: job.id, token, progress }]);
      if (result !== undefined) this.#heed(attempt, result);
    } catch (error) {
      attempt.putBackProgress(progress);
      this.#deps.logger.warn(
        { err: error, job: job.id },
        "progress could not be written; it is kept for the next write",
      );
    }
  }

  #heed(attempt: Attempt, { outcome }: ExtendResult): void {
    if (outcome === "LEASE_LOST") this.#lose(attempt);
    else if (outcome === "CANCEL_REQUESTED") attempt.abort("CANCELED");
  }

  #armHeartbeat(): void {
    this.#heartbeat = this.#deps.clock.setTimer(this.#options.leaseMs / 3, () => {
      this.keepAlive()
        .catch((error) => this.#deps.logger.warn({ err: error }, "leases could not be extended; trying again"))
        .finally(() => {
          if (this.#isTaking || this.#open.size > 0) this.#armHeartbeat();
        });
    });
  }
}
