import { hostname } from "node:os";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Lease } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { ABORT_GRACE_MS, type AbortReason, type Handlers, STUCK_HANDLER_MS } from "../../model/handler.js";
import { type Logger, silentLogger } from "../../model/logger.js";
import { type AttemptOutcome, completed, failed } from "./attempt-outcome.js";
import { JobStreams } from "./job-streams.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { type JobSource, RemoteJob, WorkerAttempt } from "./worker-attempt.js";
import { createWorkerServers, type WorkerServers } from "./worker-servers.js";
import { WorkerSettler } from "./worker-settler.js";

/** Settings of a worker. Durations in ms. */
export interface WorkerOptions {
  /** The server, or several of one store: the worker uses one, and goes to the next when that is away or drains. */
  readonly url: string | readonly string[];
  /** By job type; the worker takes jobs of these types. The same functions as in a HANDLERS module of the server. */
  readonly handlers: Handlers;
  /** Only these queues. Default: every queue, also those made later. */
  readonly queues?: readonly string[] | undefined;
  /** Handlers that run at the same time, 1 to 1000. Default 10. */
  readonly concurrency?: number | undefined;
  /**
   * Jobs taken ahead of free slots. Default 0. For short jobs: it hides the way to the server and back. Together with
   * `concurrency` at most 1000.
   */
  readonly prefetch?: number | undefined;
  /**
   * How long a lease lasts unless it is extended, 1000 to 3,600,000. Default 30,000. It is extended after a third of it,
   * on a timer: a handler that blocks the event loop for longer than about two thirds loses its jobs to other workers.
   */
  readonly leaseMs?: number | undefined;
  /** Who runs the jobs, for people. Default `hostname/pid`. */
  readonly name?: string | undefined;
  /** Sent with every call, as in `{ authorization: "Bearer …" }`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How long `stop` lets running handlers finish, unless told otherwise. Default 10,000. */
  readonly stopTimeoutMs?: number | undefined;
  /** Whether SIGTERM and SIGINT stop it. A second signal ends the process at once. Default false. */
  readonly stopOnSignals?: boolean | undefined;
  /** A pino logger, or one like it. Default: silent. */
  readonly logger?: Logger | undefined;
}

/** Runs jobs of a server in this process. */
export interface Worker {
  /**
   * Begins to take jobs. Resolves when it is connected, which it tries for as long as the server is away; rejects with
   * a `TaskQueueError` when the server refuses it: QUEUE_NOT_FOUND, FIELD_INVALID. Idempotent.
   */
  start(): Promise<void>;
  /**
   * Takes no more jobs, gives back those that have not begun, lets running handlers finish within `timeoutMs`, then
   * aborts them and gives their jobs back (no retry used). Resolves when every outcome is told; while the server is
   * away that is tried until the leases end. Idempotent.
   */
  stop(timeoutMs?: number): Promise<void>;
  /** Resolves when it has stopped. */
  readonly stopped: Promise<void>;
  /** Ids of the jobs it holds: running, taken ahead, or not settled yet. */
  readonly jobIds: readonly string[];
}

/** Makes a worker. Nothing runs until it is started. */
export function createWorker(options: WorkerOptions): Worker {
  return new StreamWorker(options);
}

class StreamWorker implements Worker {
  readonly stopped: Promise<void>;
  readonly #options: WorkerOptions;
  readonly #concurrency: number;
  readonly #logger: Logger;
  readonly #servers: WorkerServers;
  readonly #settler: WorkerSettler;
  readonly #keeper: LeaseKeeper;
  readonly #streams: JobStreams;
  /** Leases that are not over, by job. */
  readonly #held = new Map<string, WorkerAttempt>();
  /** Taken, and waiting for a slot. */
  readonly #waiting: WorkerAttempt[] = [];
  #slots = 0;
  #isTaking = true;
  #started: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #resolveStopped = () => {};
  #whenIdle: (() => void) | undefined;
  readonly #onSignal = () => void this.stop();

  constructor(options: WorkerOptions) {
    const { url, queues = [], handlers, headers, leaseMs = 30_000, concurrency = 10, prefetch = 0 } = options;
    this.#options = options;
    this.#concurrency = concurrency;
    this.#logger = options.logger ?? silentLogger;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    const types = Object.keys(handlers);
    if (types.length === 0) throw new TypeError("handlers: there must be at least one");
    if (!(Number.isInteger(concurrency) && concurrency >= 1)) throw new TypeError("concurrency: must be 1 or more");
    if (!(Number.isInteger(prefetch) && prefetch >= 0)) throw new TypeError("prefetch: must be 0 or more");
    if (concurrency + prefetch > 1000) throw new TypeError("concurrency and prefetch: must be 1000 or less together");
    this.#servers = createWorkerServers(typeof url === "string" ? [url] : url);
    const deps = { servers: this.#servers, headers, logger: this.#logger };
    this.#settler = new WorkerSettler({ ...deps, settled: (attempt) => this.#forget(attempt) });
    this.#keeper = new LeaseKeeper({
      ...deps,
      leaseMs,
      held: () => this.#held.values(),
      lost: (attempt) => this.#lose(attempt),
    });
    this.#streams = new JobStreams({
      ...deps,
      request: { worker: options.name ?? `${hostname()}/${process.pid}`, queues, types, leaseMs },
      capacity: concurrency + prefetch,
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

  stop(timeoutMs = this.#options.stopTimeoutMs ?? 10_000): Promise<void> {
    this.#stopping ??= this.#stop(timeoutMs);
    return this.#stopping;
  }

  async #start(): Promise<void> {
    if (this.#stopping !== undefined) return;
    if (this.#options.stopOnSignals) for (const name of SIGNALS) process.once(name, this.#onSignal);
    this.#keeper.start();
    try {
      await this.#streams.start();
    } catch (error) {
      await this.stop(0);
      throw error;
    }
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
    for (const name of SIGNALS) process.off(name, this.#onSignal);
    this.#resolveStopped();
  }

  #take({ job, leaseToken, leaseExpiresIn }: Lease, source: JobSource): void {
    if (job === undefined) return;
    // The job may come to us again before we are told that we had lost it.
    const earlier = this.#held.get(job.id);
    if (earlier !== undefined) this.#lose(earlier);
    const until = performance.now() + (leaseExpiresIn === undefined ? 0 : durationMs(leaseExpiresIn));
    const attempt = new WorkerAttempt(job, leaseToken, until, source, this.#logger, (each) =>
      this.#keeper.report(each),
    );
    source.held++;
    this.#held.set(job.id, attempt);
    if (this.#isTaking && this.#slots < this.#concurrency) void this.#run(attempt);
    else this.#waiting.push(attempt);
  }

  async #run(attempt: WorkerAttempt): Promise<void> {
    const { job, timeoutMs } = attempt;
    this.#slots++;
    attempt.hasSlot = true;
    if (timeoutMs > 0) attempt.timer = setTimeout(() => this.#timedOut(attempt, timeoutMs), timeoutMs);
    let outcome: AttemptOutcome;
    try {
      outcome = completed(await this.#options.handlers[job.type]?.(new RemoteJob(job), attempt));
    } catch (error) {
      if (attempt.aborted === "SHUTDOWN") outcome = { kind: "release" };
      else {
        outcome = failed(error);
        // The record keeps the text of the error; the stack is here only.
        if (attempt.isOpen) attempt.logger.warn({ err: error, retryCount: job.retryCount }, "an attempt failed");
      }
    }
    if (attempt.unwritten !== undefined) await this.#keeper.flush(attempt);
    this.#settle(attempt, outcome);
    this.#freeSlot(attempt);
  }

  #timedOut(attempt: WorkerAttempt, timeoutMs: number): void {
    attempt.abort("TIMEOUT");
    this.#settle(attempt, { kind: "fail", error: `timed out after ${timeoutMs} ms`, retryKind: { case: undefined } });
  }

  /** The outcome is decided, and will be told. */
  #settle(attempt: WorkerAttempt, outcome: AttemptOutcome): void {
    if (!this.#close(attempt)) return;
    this.#settler.add(attempt, outcome);
  }

  #lose(attempt: WorkerAttempt): void {
    const wasOpen = this.#close(attempt);
    this.#forget(attempt);
    attempt.abort("LEASE_LOST");
    // The server counts this lease as over and sends the next job: it must not wait for a handler that may never end.
    this.#freeSlot(attempt);
    if (wasOpen) attempt.logger.warn({}, "the lease of a running job ended; its handler was told to stop");
  }

  #cancel(jobId: string): void {
    const attempt = this.#held.get(jobId);
    if (attempt === undefined) return;
    attempt.abort("CANCELED");
    // Giving it back acknowledges the cancel.
    if (!attempt.hasSlot) this.#settle(attempt, { kind: "release" });
  }

  #close(attempt: WorkerAttempt): boolean {
    if (!attempt.isOpen) return false;
    attempt.isOpen = false;
    clearTimeout(attempt.timer);
    if (!attempt.hasSlot) this.#remove(attempt);
    // Nothing can stop a handler; one that goes on must not keep the slot for ever.
    else attempt.timer = setTimeout(() => this.#freeSlot(attempt), STUCK_HANDLER_MS);
    return true;
  }

  #remove(attempt: WorkerAttempt): void {
    const at = this.#waiting.indexOf(attempt);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  #freeSlot(attempt: WorkerAttempt): void {
    clearTimeout(attempt.timer);
    if (!attempt.hasSlot) return;
    attempt.hasSlot = false;
    this.#slots--;
    if (this.#slots === 0) this.#whenIdle?.();
    const next = this.#isTaking ? this.#waiting.shift() : undefined;
    if (next !== undefined) void this.#run(next);
  }

  /** The lease is over. */
  #forget(attempt: WorkerAttempt): void {
    if (this.#held.get(attempt.jobId) !== attempt) return;
    this.#held.delete(attempt.jobId);
    attempt.source.held--;
    if (!attempt.source.isTaking) this.#streams.fill();
  }

  #orphans(): readonly WorkerAttempt[] {
    return [...this.#held.values()].filter(({ source }) => !source.isTaking);
  }

  /** Tells the server that the jobs of this stream go on. */
  async #keep(source: JobSource): Promise<void> {
    const attempts = [...this.#held.values()].filter((attempt) => attempt.source === source);
    await this.#keeper.extend(attempts).catch((error) => {
      this.#logger.warn({ err: error, jobs: attempts.length }, "leases could not be extended; trying again");
      this.#keeper.soon();
    });
  }

  #abortAll(reason: AbortReason): void {
    for (const attempt of this.#held.values()) if (attempt.isOpen) attempt.abort(reason);
  }

  async #idleWithin(timeoutMs: number): Promise<void> {
    if (this.#slots === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#whenIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
