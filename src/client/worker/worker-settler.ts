import type { CallOptions } from "@connectrpc/connect";
import {
  CompleteJobsRequestSchema,
  FailJobsRequestSchema,
  type JobCompletion,
  JobCompletionSchema,
  type JobFailure,
  JobFailureSchema,
  type JobRelease,
  JobReleaseSchema,
  ReleaseJobsRequestSchema,
  type SettleOutcome,
  SettleResult,
} from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { isLogged, type Logger } from "../../model/log/logger.js";
import { isPassing, toTaskQueueError } from "../convert/errors.js";
import { GatherLine } from "../gather/gather-line.js";
import { createGatherTiming } from "../gather/gather-timing.js";
import { REPEATABLE } from "../repeatable.js";
import { retryWait, wait } from "../wait.js";
import type { AttemptOutcome } from "./attempt-outcome.js";
import type { WorkerAttempt } from "./worker-attempt.js";
import type { WorkerHeaders, WorkerServers } from "./worker-servers.js";

/** How long one call may take before it is tried again, ms. */
const CALL_MS = 10_000;

/** Longest wait before a call is tried again, ms. */
const MAX_WAIT_MS = 1000;

/** The outcome of an attempt, to be told. */
class Item {
  readonly attempt: WorkerAttempt;
  readonly outcome: AttemptOutcome;
  /** An outcome is told even when its lease has ended meanwhile: the server knows better. */
  readonly isOver = false;

  constructor(attempt: WorkerAttempt, outcome: AttemptOutcome) {
    this.attempt = attempt;
    this.outcome = outcome;
  }

  get bytes(): number {
    const { outcome } = this;
    return outcome.kind === "complete" ? outcome.bytes : outcome.kind === "fail" ? outcome.error.length * 3 : 0;
  }
}

type Kind = AttemptOutcome["kind"];

/** Dependencies of a settler. */
export interface WorkerSettlerDeps {
  readonly servers: WorkerServers;
  /** Returns the headers of a call. */
  readonly headersOf: WorkerHeaders;
  readonly logger: Logger;
  /** Most leases that the worker may hold. */
  readonly capacity: number;
  /** Called when an attempt is settled, or its lease ended before its outcome could be sent; then without a result. */
  readonly settled: (attempt: WorkerAttempt, outcome: AttemptOutcome, result: SettleResult | undefined) => void;
}

/**
 * Sends the outcomes of attempts to the server, those of one turn in one call for each kind. Outcomes that come while a call is in
 * flight are gathered as `GatherLine` says, but no more than a quarter of what the worker may hold: each outcome lets the server send
 * another job, and the next are to be on their way before the worker has none left. A failed call is retried, at another server if
 * there is one, until the leases in it have ended: lease tokens make a repeat harmless.
 */
export class WorkerSettler {
  readonly #deps: WorkerSettlerDeps;
  readonly #lines: Readonly<Record<Kind, GatherLine<Item>>>;
  #whenIdle: (() => void)[] = [];

  constructor(deps: WorkerSettlerDeps) {
    this.#deps = deps;
    const timing = createGatherTiming(setImmediate);
    const enough = Math.max(1, Math.floor(deps.capacity / 4));
    const line = (kind: Kind) =>
      new GatherLine<Item>({
        ...{ timing, enough },
        send: (items) => this.#write(kind, items),
        idle: () => this.#idle(),
      });
    this.#lines = { complete: line("complete"), fail: line("fail"), release: line("release") };
  }

  /** Queues the outcome of an attempt to be sent. */
  add(attempt: WorkerAttempt, outcome: AttemptOutcome): void {
    this.#lines[outcome.kind].add(new Item(attempt, outcome));
  }

  /** Starts no more calls until `resume`. */
  pause(): void {
    for (const line of Object.values(this.#lines)) line.pause();
  }

  /** Ends a pause: sends what came meanwhile. */
  resume(): void {
    for (const line of Object.values(this.#lines)) line.resume();
  }

  /** Resolves when no outcome is left to send. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #isIdle(): boolean {
    return Object.values(this.#lines).every(({ isIdle }) => isIdle);
  }

  #idle(): void {
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
    const { servers, headersOf } = this.#deps;
    let headers = headersOf();
    // No turn is lost while nobody has to be asked.
    if (headers instanceof Promise) headers = await headers;
    const options: CallOptions = { contextValues: REPEATABLE, timeoutMs: CALL_MS, ...(headers && { headers }) };
    // Whole messages, which are sent as they are: one that is only described would be copied, part by part.
    const messages = items.map(toMessage);
    if (kind === "complete") {
      const $typeName = CompleteJobsRequestSchema.typeName;
      const completions = messages as JobCompletion[];
      return (await servers.current.completeJobs({ $typeName, completions }, options)).outcomes;
    }
    if (kind === "fail") {
      const $typeName = FailJobsRequestSchema.typeName;
      return (await servers.current.failJobs({ $typeName, failures: messages as JobFailure[] }, options)).outcomes;
    }
    const $typeName = ReleaseJobsRequestSchema.typeName;
    return (await servers.current.releaseJobs({ $typeName, releases: messages as JobRelease[] }, options)).outcomes;
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
    const { logger } = this.#deps;
    if (isLost) {
      const fields = { ...attempt.logFields, outcome: outcome.kind };
      logger.warn(fields, "the lease ended before the outcome of the job was told; it may run again");
    } else if (isLogged(logger, "debug")) {
      logger.debug({ ...attempt.logFields, outcome: outcome.kind, result: SettleResult[result] }, "settled");
    }
    this.#deps.settled(attempt, outcome, result);
  }
}

function toMessage({ attempt, outcome }: Item): JobCompletion | JobFailure | JobRelease {
  const { jobId, token: leaseToken } = attempt;
  if (outcome.kind === "complete") {
    return { $typeName: JobCompletionSchema.typeName, jobId, leaseToken, resultKind: outcome.resultKind };
  }
  if (outcome.kind === "fail") {
    const { error, retryKind } = outcome;
    return { $typeName: JobFailureSchema.typeName, jobId, leaseToken, error, retryKind };
  }
  const { delay } = outcome;
  return { $typeName: JobReleaseSchema.typeName, jobId, leaseToken, ...(delay !== undefined && { delay }) };
}
