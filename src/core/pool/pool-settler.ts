import type { Payload, Progress } from "../../model/job.js";
import type { Logger } from "../../model/logger.js";
import type { RetryDecision } from "../../model/outcome.js";
import type { Clock } from "../clock.js";
import type { Leasing } from "../leasing.js";
import type { PoolAttempt } from "./pool-attempt.js";

/** What became of an attempt. */
export type AttemptOutcome =
  | { readonly kind: "complete"; readonly result: Payload | undefined }
  | { readonly kind: "fail"; readonly error: string; readonly retry: RetryDecision }
  | { readonly kind: "release" };

interface Pending {
  readonly attempt: PoolAttempt;
  readonly outcome: AttemptOutcome;
  /** The last progress report, while it is not written. */
  report?: Progress | undefined;
}

/** Wait before a write that failed is tried again, ms. */
const RETRY_MS = 250;

/** Most items of one write. */
const BATCH = 1000;

/**
 * Writes the outcomes of attempts. Those that are decided while a write is under way share the next one. When the
 * backend is away, they are kept and tried again until their leases have ended.
 */
export class PoolSettler {
  readonly #leasing: Leasing;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #pending: Pending[] = [];
  #work: Promise<void> | undefined;

  constructor(leasing: Leasing, clock: Clock, logger: Logger) {
    this.#leasing = leasing;
    this.#clock = clock;
    this.#logger = logger;
  }

  add(attempt: PoolAttempt, outcome: AttemptOutcome): void {
    this.#pending.push({ attempt, outcome });
    this.#work ??= this.#writeAll();
  }

  /** Resolves when everything added so far is written or given up. */
  async idle(): Promise<void> {
    while (this.#work !== undefined) await this.#work;
  }

  async #writeAll(): Promise<void> {
    // Attempts that end in the same turn join this write.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, BATCH);
      try {
        await this.#write(batch);
      } catch (error) {
        this.#logger.warn({ err: error, jobs: batch.length }, "outcomes could not be written; trying again");
        await new Promise<void>((resolve) => this.#clock.setTimer(RETRY_MS, resolve));
        this.#pending.unshift(...batch.filter((item) => this.#isHeld(item)));
      }
    }
    this.#work = undefined;
  }

  /** Whether the lease of an item may still be current. Repeating a write that was done is harmless. */
  #isHeld({ attempt }: Pending): boolean {
    const held = this.#clock.monotonic() < attempt.heldAt + attempt.lease.expiresInMs;
    if (!held) this.#logger.error({ job: attempt.lease.job.id }, "the outcome of an attempt is lost: its lease ended");
    return held;
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    const { complete, fail, release, progress } = sort(batch);
    // A last progress report is written before the job ends.
    if (progress.length > 0) await this.#leasing.extend(progress);
    for (const item of batch) item.report = undefined;
    await Promise.all([
      complete.length > 0 && this.#leasing.complete(complete),
      fail.length > 0 && this.#leasing.fail(fail),
      release.length > 0 && this.#leasing.release(release),
    ]);
  }
}

function sort(batch: readonly Pending[]) {
  const complete = [];
  const fail = [];
  const release = [];
  const progress = [];
  for (const item of batch) {
    const { attempt, outcome } = item;
    const jobId = attempt.lease.job.id;
    const { token } = attempt.lease;
    item.report ??= attempt.takeProgress();
    if (item.report !== undefined) progress.push({ jobId, token, progress: item.report });
    if (outcome.kind === "complete") complete.push({ jobId, token, result: outcome.result });
    else if (outcome.kind === "fail") fail.push({ jobId, token, error: outcome.error, retry: outcome.retry });
    else release.push({ jobId, token });
  }
  return { complete, fail, release, progress };
}
