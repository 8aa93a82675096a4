import type { Job } from "../../model/job/job.js";
import type { Change } from "../port/changes.js";

/**
 * Returns the job after a change, if the last seen state and the change determine it: they do when the job is RUNNING
 * after the very next change, as then no attempt has ended and there is no result. Otherwise undefined: the job must be
 * read. The fields are listed one by one for speed, because one is made for each watched progress report.
 */
export function afterChange(seen: Job, change: Change): Job | undefined {
  if (change.status !== "RUNNING" || change.deleted || change.revision !== seen.revision + 1) return undefined;
  // All fields, those that most jobs do not have too.
  const next: { readonly [F in keyof Required<Job>]: Job[F] } = {
    id: seen.id,
    queue: seen.queue,
    type: seen.type,
    payload: seen.payload,
    priority: seen.priority,
    maxRetries: seen.maxRetries,
    backoff: seen.backoff,
    timeoutMs: seen.timeoutMs,
    metadata: seen.metadata,
    traceContext: seen.traceContext,
    expiresAt: seen.expiresAt,
    unique: seen.unique,
    key: seen.key,
    schedule: seen.schedule,
    scheduledFor: seen.scheduledFor,
    status: change.status,
    revision: change.revision,
    retryCount: change.retryCount,
    deliveries: change.deliveries,
    lostLeases: change.lostLeases,
    error: seen.error,
    progress: change.progress,
    cancelRequested: change.cancelRequested,
    worker: change.worker,
    createdAt: seen.createdAt,
    updatedAt: change.updatedAt,
    runAfter: change.runAfter,
    startedAt: change.startedAt,
    finishedAt: change.finishedAt,
    attemptErrors: seen.attemptErrors,
    result: undefined,
    resultDropped: false,
    pendingState: undefined,
    heldBy: undefined,
  };
  return next;
}

/**
 * Returns the error text after a change: the whole text if `seen` has it, otherwise the start that the change has. That
 * may have been cut within its last character.
 */
function errorAfter(seen: Job, { error }: Change): string {
  const start = error.endsWith("\ufffd") ? error.slice(0, -1) : error;
  return error !== "" && seen.error.startsWith(start) ? seen.error : error;
}

/**
 * Yields the states a watcher has not seen: one for each change since `seen`, then the current job. If the job is gone
 * by now (it finished and was forgotten, or it was deleted), the states come from the changes alone.
 */
export function* statesSince(seen: Job, changes: readonly Change[], now: Job | undefined): Generator<Job> {
  const base = now ?? seen;
  for (const change of changes) {
    if (change.deleted || (now !== undefined && change.revision >= now.revision)) continue;
    const { status, revision, retryCount, deliveries, lostLeases, progress, cancelRequested, worker } = change;
    const { priority, updatedAt, runAfter, startedAt, finishedAt } = change;
    yield {
      ...base,
      ...{ status, revision, retryCount, deliveries, lostLeases, progress, cancelRequested, worker },
      ...{ priority, updatedAt, runAfter, startedAt, finishedAt },
      // The error of an attempt exists only once the attempt has ended.
      attemptErrors: base.attemptErrors.filter(
        (entry) => entry.delivery < deliveries || (entry.delivery === deliveries && status !== "RUNNING"),
      ),
      error: errorAfter(base, change),
      result: undefined,
      resultDropped: false,
      pendingState: undefined,
      heldBy: undefined,
    };
  }
  if (now !== undefined && now.revision > seen.revision) yield now;
}
