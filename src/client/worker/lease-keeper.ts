import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { ExtendResult } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { Logger } from "../../model/logger.js";
import { isPassing, toTaskQueueError } from "../errors.js";
import { retryWait } from "../wait.js";
import type { WorkerAttempt } from "./worker-attempt.js";
import type { WorkerServers } from "./worker-servers.js";

/** Least time between two calls that carry progress reports, ms; and after one that failed. */
const PROGRESS_MS = 100;
const PROGRESS_RETRY_MS = 1000;

/** Most leases of one call. */
const MAX_ITEMS = 1000;

/** What a keeper is made of. */
export interface LeaseKeeperDeps {
  readonly servers: WorkerServers;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly logger: Logger;
  readonly leaseMs: number;
  /** The leases to keep: until their outcome is told. */
  readonly held: () => Iterable<WorkerAttempt>;
  /** Told that a lease is not ours any more. */
  readonly lost: (attempt: WorkerAttempt) => void;
}

/**
 * Extends the leases of a worker after a third of their length, all in one call, and again sooner when that failed; and
 * writes progress reports. A lease that could not be extended in time counts as lost at its end, on our own clock.
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

  /** Begins. */
  start(): void {
    this.#arm(this.#deps.leaseMs / 3);
  }

  /** Extends these leases now: their stream is gone, and only an extension tells the server that we are not. */
  async extend(attempts: readonly WorkerAttempt[]): Promise<void> {
    // A cancelled job is not kept: when its handler does not stop, it ends with the lease.
    const due = attempts.filter(({ aborted }) => aborted !== "CANCELED");
    for (let at = 0; at < due.length; at += MAX_ITEMS) {
      await this.#call(
        due.slice(at, at + MAX_ITEMS).map((attempt) => ({ attempt, extension: durationFromMs(this.#deps.leaseMs) })),
      );
    }
  }

  /** An extension failed: tries all again soon. */
  soon(): void {
    clearTimeout(this.#timer);
    this.#arm(Math.min(this.#deps.leaseMs / 10, retryWait(++this.#failures)));
  }

  /** There is a progress report to write. */
  report(attempt: WorkerAttempt): void {
    this.#reports.add(attempt);
    if (this.#progressTimer !== undefined || this.#isStopped) return;
    this.#progressTimer = setTimeout(() => this.#progressDue(), PROGRESS_MS);
    this.#writeReports();
  }

  /** Resolves once the last report of this attempt is written, or could not be. */
  flush(attempt: WorkerAttempt): Promise<void> {
    if (this.#reports.has(attempt)) this.#writeReports();
    return this.#writing;
  }

  /** Ends. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#progressTimer);
  }

  #arm(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#beat(), delayMs);
    // Held leases have a stream, or running handlers, that keep the process alive.
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    const { leaseMs, logger } = this.#deps;
    try {
      await this.extend([...this.#deps.held()]);
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
    const { servers, headers, leaseMs } = this.#deps;
    const rpc = servers.current;
    const sentAt = performance.now();
    const extensions = items.map(({ attempt, extension, progress }) => ({
      jobId: attempt.jobId,
      leaseToken: attempt.token,
      ...(extension && { extension }),
      ...(progress && { progress }),
    }));
    try {
      const options = { timeoutMs: Math.max(1000, leaseMs / 3), ...(headers && { headers }) };
      const { outcomes } = await rpc.extendLeases({ extensions }, options);
      items.forEach(({ attempt }, index) => {
        const { result, leaseExpiresIn } = outcomes[index] ?? {};
        if (result === ExtendResult.LEASE_LOST) this.#deps.lost(attempt);
        // From when we sent it, so that we never believe to have longer than we do.
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
