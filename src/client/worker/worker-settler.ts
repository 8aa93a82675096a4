import type { CallOptions } from "@connectrpc/connect";
import { type SettleOutcome, SettleResult } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { Logger } from "../../model/logger.js";
import { isPassing, toTaskQueueError } from "../errors.js";
import { retryWait, wait } from "../wait.js";
import type { AttemptOutcome } from "./attempt-outcome.js";
import type { WorkerAttempt } from "./worker-attempt.js";
import type { WorkerServers } from "./worker-servers.js";

/** Most outcomes of one call, and the bytes of results after which it ends: a message has room for 4 MiB. */
const MAX_ITEMS = 1000;
const MAX_BYTES = 2 ** 20;

/** How long one call may take, ms; it is made again then. */
const CALL_MS = 10_000;

/** Longest wait before a call is made again, ms. */
const MAX_WAIT_MS = 1000;

interface Item {
  readonly attempt: WorkerAttempt;
  readonly outcome: AttemptOutcome;
}

type Kind = AttemptOutcome["kind"];

/** What a settler is made of. */
export interface WorkerSettlerDeps {
  readonly servers: WorkerServers;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly logger: Logger;
  /** Told when an attempt is settled, or its lease ended before that could be told. */
  readonly settled: (attempt: WorkerAttempt) => void;
}

/**
 * Tells the server how attempts ended. What comes while a call is under way goes with the next one of its kind. A call
 * that fails is made again, at another server if there is one, until the leases in it have ended: a repeat is harmless.
 */
export class WorkerSettler {
  readonly #deps: WorkerSettlerDeps;
  readonly #waiting: Readonly<Record<Kind, Item[]>> = { complete: [], fail: [], release: [] };
  readonly #busy = new Set<Kind>();
  #isPaused = false;
  #whenIdle: (() => void)[] = [];

  constructor(deps: WorkerSettlerDeps) {
    this.#deps = deps;
  }

  /** An attempt ended. */
  add(attempt: WorkerAttempt, outcome: AttemptOutcome): void {
    this.#waiting[outcome.kind].push({ attempt, outcome });
    this.#begin(outcome.kind);
  }

  /** Begins no more calls. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Goes on. */
  resume(): void {
    this.#isPaused = false;
    for (const kind of ["complete", "fail", "release"] as const) this.#begin(kind);
  }

  /** Resolves when everything is told. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #isIdle(): boolean {
    return this.#busy.size === 0 && Object.values(this.#waiting).every((items) => items.length === 0);
  }

  #begin(kind: Kind): void {
    if (this.#isPaused || this.#busy.has(kind) || this.#waiting[kind].length === 0) return;
    this.#busy.add(kind);
    // After this turn of the event loop: what else ends in it comes along.
    setImmediate(() => void this.#run(kind));
  }

  async #run(kind: Kind): Promise<void> {
    const waiting = this.#waiting[kind];
    while (waiting.length > 0 && !this.#isPaused) await this.#write(kind, waiting.splice(0, countOf(waiting)));
    this.#busy.delete(kind);
    if (!this.#isIdle()) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #write(kind: Kind, batch: readonly Item[]): Promise<void> {
    let items = batch;
    for (let failures = 1; items.length > 0; failures++) {
      const rpc = this.#deps.servers.current;
      try {
        const outcomes = await this.#call(kind, items);
        for (const [index, item] of items.entries()) this.#settled(item, outcomes[index]?.result);
        return;
      } catch (thrown) {
        const error = toTaskQueueError(thrown);
        if (error.code === "INVALID_ARGUMENT") {
          await this.#refused(kind, items, error.message);
          return;
        }
        if (isPassing(error)) this.#deps.servers.leave(rpc);
        this.#deps.logger.warn(
          { err: error, jobs: items.length },
          `outcomes (${kind}) could not be told; trying again`,
        );
        await wait(Math.min(MAX_WAIT_MS, retryWait(failures, error.retryAfterMs)));
        const now = performance.now();
        for (const item of items) if (item.attempt.until <= now) this.#settled(item, undefined);
        items = items.filter(({ attempt }) => attempt.until > now);
      }
    }
  }

  async #call(kind: Kind, items: readonly Item[]): Promise<readonly SettleOutcome[]> {
    const { servers, headers } = this.#deps;
    const options: CallOptions = { timeoutMs: CALL_MS, ...(headers && { headers }) };
    const refs = items.map(({ attempt, outcome }) => ({
      jobId: attempt.jobId,
      leaseToken: attempt.token,
      ...(outcome.kind === "complete" && { resultKind: outcome.resultKind }),
      ...(outcome.kind === "fail" && { error: outcome.error, retryKind: outcome.retryKind }),
    }));
    if (kind === "complete") return (await servers.current.completeJobs({ completions: refs }, options)).outcomes;
    if (kind === "fail") return (await servers.current.failJobs({ failures: refs }, options)).outcomes;
    return (await servers.current.releaseJobs({ releases: refs }, options)).outcomes;
  }

  /** A bad item spoils its whole call, so each has one of its own; a result that cannot be stored fails the attempt. */
  async #refused(kind: Kind, items: readonly Item[], message: string): Promise<void> {
    const [only] = items;
    if (items.length > 1) {
      for (const item of items) await this.#write(kind, [item]);
    } else if (only !== undefined && kind === "complete") {
      this.add(only.attempt, {
        kind: "fail",
        error: `the result was refused: ${message}`,
        retryKind: { case: undefined },
      });
    } else if (only !== undefined) {
      this.#deps.logger.error({ job: only.attempt.jobId, error: message }, "the server refused an outcome");
      this.#settled(only, undefined);
    }
  }

  #settled({ attempt, outcome }: Item, result: SettleResult | undefined): void {
    const isLost = result === undefined || result === SettleResult.LEASE_LOST;
    const fields = { job: attempt.jobId, type: attempt.job.type, outcome: outcome.kind };
    if (!isLost) this.#deps.logger.debug({ ...fields, result: SettleResult[result] }, "settled");
    else {
      this.#deps.logger.warn(fields, "the lease ended before the outcome of the job was told; it may run again");
    }
    this.#deps.settled(attempt);
  }
}

/** How many items go with the next call. */
function countOf(items: readonly Item[]): number {
  let bytes = 0;
  let count = 0;
  for (const { outcome } of items) {
    bytes += outcome.kind === "complete" ? outcome.bytes : 0;
    if (count > 0 && bytes > MAX_BYTES) break;
    if (++count === MAX_ITEMS) break;
  }
  return count;
}
