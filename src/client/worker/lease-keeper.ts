import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { ExtendResult } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { Logger } from "../../model/log/logger.js";
import { MAX_TIMER_MS } from "../../model/process/long-timer.js";
import { isPassing, toTaskQueueError } from "../convert/errors.js";
import { REPEATABLE } from "../repeatable.js";
import { retryWait } from "../wait.js";
import type { WorkerAttempt } from "./worker-attempt.js";
import type { WorkerHeaders, WorkerServers } from "./worker-servers.js";

/** Least time between two calls that carry progress reports, and the wait after one that failed, ms. */
const PROGRESS_MS = 100;
const PROGRESS_RETRY_MS = 1000;

/** Most leases in one call. */
const MAX_ITEMS = 1000;

/**
 * A lease is left alone while it is younger than this part of its length, so that a job that is done at once costs no extension. It
 * is extended before half of it is over: after that the server prefers other workers, as it has heard nothing of this one.
 */
const YOUNG = 1 / 10;

/** Dependencies of a lease keeper. */
export interface LeaseKeeperDeps {
  readonly servers: WorkerServers;
  /** Returns the headers of a call. */
  readonly headersOf: WorkerHeaders;
  readonly logger: Logger;
  readonly leaseMs: number;
  /** Returns the leases to extend: all that are not settled yet. */
  readonly held: () => Iterable<WorkerAttempt>;
  /** Called when a lease is lost. */
  readonly lost: (attempt: WorkerAttempt) => void;
}

/**
 * Extends the leases of a worker after each third of their length, but for those that are young, up to `MAX_ITEMS` in a
 * call, and retries sooner when that failed. Also sends progress reports. A lease that could not be extended in time counts as lost when it ends by
 * the local clock.
 */
export class LeaseKeeper {
  readonly #deps: LeaseKeeperDeps;
  readonly #reports = new Set<WorkerAttempt>();
  #timer: NodeJS.Timeout | undefined;
  #progressTimer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failures = 0;
  #isStopped = false;

  constructor(deps: LeaseKeeperDeps) {
    this.#deps = deps;
  }

  /** Starts extending. */
  start(): void {
    this.#arm(this.#deps.leaseMs / 3);
  }

  /** Extends these leases now. For those of an ended stream, only this tells the server that the worker is alive. */
  async extend(attempts: readonly WorkerAttempt[]): Promise<void> {
    // The lease of a cancelled job is not extended: if its handler goes on, the job is CANCELED when the lease ends.
    const due = attempts.filter(({ aborted }) => aborted !== "CANCELED");
    for (let at = 0; at < due.length; at += MAX_ITEMS) {
      await this.#call(
        due.slice(at, at + MAX_ITEMS).map((attempt) => ({ attempt, extension: durationFromMs(this.#deps.leaseMs) })),
      );
    }
  }

  /** Called when an extension failed: extends all leases again soon, after a wait that grows with every failure. */
  soon(): void {
    clearTimeout(this.#timer);
    this.#arm(Math.min(this.#deps.leaseMs / 10, retryWait(++this.#failures)));
  }

  /** Called when this attempt has a progress report to send: sends it now, or with the next call of reports. */
  report(attempt: WorkerAttempt): void {
    this.#reports.add(attempt);
    if (this.#progressTimer !== undefined || this.#isStopped) return;
    this.#progressTimer = setTimeout(() => this.#progressDue(), PROGRESS_MS);
    this.#writeReports();
  }

  /** Resolves when the last report of this attempt has been sent or sending it has failed. */
  flush(attempt: WorkerAttempt): Promise<void> {
    if (this.#reports.has(attempt)) this.#writeReports();
    return this.#writing;
  }

  /** Stops extending. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#progressTimer);
  }

  #arm(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#beat(), Math.min(delayMs, MAX_TIMER_MS));
    // The timer need not keep the process alive: while leases are held, streams or running handlers do.
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    const { leaseMs, logger } = this.#deps;
    try {
      const oldest = performance.now() + leaseMs * (1 - YOUNG);
      await this.extend([...this.#deps.held()].filter(({ until }) => until <= oldest));
      this.#failures = 0;
      this.#arm(leaseMs / 3);
    } catch (error) {
      logger.warn({ err: error }, "leases could not be extended; trying again");
      this.soon();
    }
    const now = performance.now();
    for (const attempt of [...this.#deps.held()]) if (attempt.until <= now) this.#deps.lost(attempt);
  }

  #progressDue(): void {
    this.#progressTimer = undefined;
    if (this.#reports.size === 0 || this.#isStopped) return;
    this.#progressTimer = setTimeout(() => this.#progressDue(), PROGRESS_MS);
    this.#writeReports();
  }

  #writeReports(): void {
    this.#writing = this.#writing.then(async () => {
      const items = [...this.#reports].slice(0, MAX_ITEMS).flatMap((attempt) => {
        const progress = attempt.unwritten;
        this.#reports.delete(attempt);
        attempt.unwritten = undefined;
        return progress === undefined ? [] : [{ attempt, progress }];
      });
      if (items.length === 0) return;
      try {
        await this.#call(items);
      } catch (error) {
        this.#deps.logger.warn({ err: error }, "progress could not be written; it is kept for the next write");
        for (const { attempt, progress } of items) {
          attempt.unwritten ??= progress;
          if (attempt.isOpen) this.#reports.add(attempt);
        }
        clearTimeout(this.#progressTimer);
        if (!this.#isStopped) this.#progressTimer = setTimeout(() => this.#progressDue(), PROGRESS_RETRY_MS);
      }
    });
  }

  async #call(items: readonly Extension[]): Promise<void> {
    const { servers, headersOf, leaseMs } = this.#deps;
    const rpc = servers.current;
    const sentAt = performance.now();
    const extensions = items.map(({ attempt, extension, progress }) => ({
      jobId: attempt.jobId,
      leaseToken: attempt.token,
      ...(extension && { extension }),
      ...(progress && { progress }),
    }));
    try {
      // Connect refuses a timeout with a part of a ms.
      const headers = await headersOf();
      const options = {
        contextValues: REPEATABLE,
        timeoutMs: Math.max(1000, Math.ceil(leaseMs / 3)),
        ...(headers && { headers }),
      };
      const { outcomes } = await rpc.extendLeases({ extensions }, options);
      items.forEach(({ attempt }, index) => {
        const { result, leaseExpiresIn } = outcomes[index] ?? {};
        if (result === ExtendResult.LEASE_LOST) this.#deps.lost(attempt);
        // Counted from when the call was sent, so that a lease never seems to last longer than it does.
        else if (leaseExpiresIn !== undefined) attempt.until = sentAt + durationMs(leaseExpiresIn);
        if (result === ExtendResult.CANCEL_REQUESTED) attempt.abort("CANCELED");
      });
    } catch (thrown) {
      const error = toTaskQueueError(thrown);
      if (isPassing(error)) servers.leave(rpc);
      throw error;
    }
  }
}

interface Extension {
  readonly attempt: WorkerAttempt;
  readonly extension?: ReturnType<typeof durationFromMs>;
  readonly progress?: { readonly percent: number; readonly message: string };
}
