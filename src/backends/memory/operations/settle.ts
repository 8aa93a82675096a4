import type { SettleKind } from "../../../core/observer.js";
import type { Completion, Failure, LeaseRef, Release, Settlement } from "../../../core/port/leases.js";
import { backoffDelay } from "../../../model/job/backoff.js";
import type { JobStore } from "../job-store.js";
import type { QueuedJob } from "../queue-state.js";
import type { RunRecord } from "../records/run-record.js";
import { countLost, requeue } from "./lease.js";

/** RUNNING to DONE. */
export function complete(store: JobStore, items: readonly Completion[]): Settlement[] {
  const now = store.clock.now();
  return items.map((item) =>
    settle(store, "complete", item, (record) => store.finish(record, "DONE", now, item.result)),
  );
}

/** RUNNING through FAILED to PENDING or DEAD; or to CANCELED when a cancel was requested. */
export function fail(store: JobStore, items: readonly Failure[]): Settlement[] {
  const now = store.clock.now();
  return items.map((item) =>
    settle(store, "fail", item, (record, run) => {
      store.noteError(record, item.error, now);
      if (run.cancelRequested) store.finish(record, "CANCELED", now);
      else retryOrDie(store, record, item, now);
    }),
  );
}

/**
 * RUNNING to PENDING without using a retry, at once or after a delay, or to DEAD when it was lost too often; to CANCELED when a
 * cancel was requested.
 */
export function release(store: JobStore, items: readonly Release[]): Settlement[] {
  const now = store.clock.now();
  return items.map((item) =>
    settle(store, "release", item, (record, run) => {
      const isPoison = item.isLost === true && countLost(store, record, now);
      if (run.cancelRequested) store.finish(record, "CANCELED", now);
      else if (isPoison) store.die(record, now);
      else if (item.delayMs !== undefined) waitFor(store, record, item.delayMs, "WAITING", now);
      else requeue(store, record, now);
    }),
  );
}

/** Checks the token, ends the lease and calls `apply`, which gives the job its next status. */
function settle(
  store: JobStore,
  kind: SettleKind,
  { jobId, token }: LeaseRef,
  apply: (record: QueuedJob, run: RunRecord) => void,
): Settlement {
  const record = store.job(jobId);
  const run = record?.run;
  if (record === undefined || run === undefined) return { outcome: "LEASE_LOST" };
  const { lease } = run;
  if (lease?.token !== token) {
    if (record.status === "CANCELED") return { outcome: "CANCELED" };
    // Only a repeat of the same kind is harmless: a token that failed the job must not complete it later.
    const { settledToken, settledBy } = run;
    const isRepeat = settledBy === kind && settledToken !== undefined && store.tokens.text(settledToken) === token;
    return { outcome: isRepeat ? "ALREADY_APPLIED" : "LEASE_LOST" };
  }
  store.endLease(record, true);
  run.settledBy = kind;
  apply(record, run);
  return {
    outcome: record.status === "CANCELED" ? "CANCELED" : "APPLIED",
    applied: {
      queue: record.queue.name,
      type: record.type,
      status: record.status,
      durationMs: Math.floor(store.clock.monotonic() - lease.since),
    },
  };
}

function retryOrDie(store: JobStore, record: QueuedJob, item: Failure, now: number): void {
  store.step(record, "FAILED", now);
  const run = record.changing;
  if (item.retry === "NEVER" || run.retryCount >= record.shared.maxRetries) {
    store.die(record, now);
    return;
  }
  run.retryCount++;
  const waitMs =
    item.retry === "DEFAULT" ? backoffDelay(record.shared.backoff, run.retryCount, item.jitter) : item.retry.afterMs;
  waitFor(store, record, waitMs, "RETRYING", now);
}

/** RUNNING or FAILED to PENDING, ready after `waitMs`. */
function waitFor(store: JobStore, record: QueuedJob, waitMs: number, place: "WAITING" | "RETRYING", now: number): void {
  record.runAfter = now + waitMs;
  store.step(record, "PENDING", now);
  store.wait(record, waitMs, place);
}
