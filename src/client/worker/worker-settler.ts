import type { CallOptions } from "@connectrpc/connect";
import { type SettleOutcome, SettleResult } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { Logger } from "../../model/logger.js";
import { isPassing, toTaskQueueError } from "../errors.js";
import { retryWait, wait } from "../wait.js";
import type { AttemptOutcome } from "./attempt-outcome.js";
import type { WorkerAttempt } from "./worker-attempt.js";
import type { WorkerServers } from "./worker-servers.js";

/** Most outcomes in one call, and most bytes of results when there are several: a message has room for 4 MiB. */
const MAX_ITEMS = 1000;
const MAX_BYTES = 2 ** 20;

/** How long one call may take before it is tried again, ms. */
const CALL_MS = 10_000;

/** Longest wait before a call is tried again, ms. */
const MAX_WAIT_MS = 1000;

interface Item {
  readonly attempt: WorkerAttempt;
  readonly outcome: AttemptOutcome;
}

type Kind = AttemptOutcome["kind"];

/** Dependencies of a settler. */
export interface WorkerSettlerDeps {
  readonly servers: WorkerServers;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly logger: Logger;
  /** Called when an attempt is settled, or its lease ended before its outcome could be sent. */
  readonly settled: (attempt: WorkerAttempt) => void;
}

/**
 * Sends the outcomes of attempts to the server, one call at a time for each kind. Outcomes that come while a call is in
 * flight go with the next call of their kind. A failed call is retried, at another server if there is one, until the
 * leases in it have ended: lease tokens make a repeat harmless.
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

  /** Queues the outcome of an attempt to be sent. */
  add(attempt: WorkerAttempt, outcome: AttemptOutcome): void {
    this.#waiting[outcome.kind].push({ attempt, outcome });
    this.#begin(outcome.kind);
  }

  /** Starts no more calls until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Ends a pause: sends what came meanwhile. */
  resume(): void {
    this.#isPaused = false;
    for (const kind of ["complete", "fail", "release"] as const) this.#begin(kind);
  }

  /** Resolves when no outcome is left to send. */
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
    // After this turn of the event loop, so that all outcomes of the turn go in one call.
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
        if (error.code === "INVALID_ARGUMENT" || error.reason === "MESSAGE_TOO_LARGE") {
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
      ...(outcome.kind === "release" && outcome.delay !== undefined && { delay: outcome.delay }),
    }));
    if (kind === "complete") return (await servers.current.completeJobs({ completions: refs }, options)).outcomes;
    if (kind === "fail") return (await servers.current.failJobs({ failures: refs }, options)).outcomes;
    return (await servers.current.releaseJobs({ releases: refs }, options)).outcomes;
  }

  /**
   * Called when the server refused a call as invalid. One bad item is enough for that, so each item is sent again in a
   * call of its own. An attempt whose own result is refused fails with that error.
   */
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
      this.#deps.logger.error({ ...only.attempt.logFields, error: message }, "the server refused an outcome");
      this.#settled(only, undefined);
    }
  }

  /** The outcome was answered, or `undefined`: it was not, and the lease has ended. */
  #settled({ attempt, outcome }: Item, result: SettleResult | undefined): void {
    const isLost = result === undefined || result === SettleResult.LEASE_LOST;
    const fields = { ...attempt.logFields, outcome: outcome.kind };
    if (!isLost) this.#deps.logger.debug({ ...fields, result: SettleResult[result] }, "settled");
    else {
      this.#deps.logger.warn(fields, "the lease ended before the outcome of the job was told; it may run again");
    }
    this.#deps.settled(attempt);
  }
}

/** Returns how many of these items, from the first on, go with the next call: at least one. */
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
