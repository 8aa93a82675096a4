import type { Job } from "../../model/job.js";
import type { Change } from "../backend.js";

/**
 * The job after a change that says all there is to say, as those of a running job do: no attempt has ended, and there is
 * no result. Undefined when the job must be read. Spelt out, as one is made for each progress report that is watched.
 */
export function afterChange(seen: Job, change: Change): Job | undefined {
  if (change.status !== "RUNNING" || change.deleted || change.revision !== seen.revision + 1) return undefined;
  return {
    id: seen.id,
    queue: seen.queue,
    type: seen.type,
    payload: seen.payload,
    priority: seen.priority,
    maxRetries: seen.maxRetries,
    backoff: seen.backoff,
    timeoutMs: seen.timeoutMs,
    metadata: seen.metadata,
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
  };
}

/** A change has the beginning of the text only, whose last character may have been cut in two. */
function errorAfter(seen: Job, { error }: Change): string {
  const start = error.endsWith("\ufffd") ? error.slice(0, -1) : error;
  return error !== "" && seen.error.startsWith(start) ? seen.error : error;
}

/**
 * The states a watcher has not seen: the changes since `seen`, then the job as it is now. A job that is gone by now (it
 * finished and was forgotten, or was deleted) is told from the changes alone.
 */
export function* statesSince(seen: Job, changes: readonly Change[], now: Job | undefined): Generator<Job> {
  const base = now ?? seen;
  for (const change of changes) {
    if (change.deleted || (now !== undefined && change.revision >= now.revision)) continue;
    const { status, revision, retryCount, deliveries, lostLeases, progress, cancelRequested, worker } = change;
    const { updatedAt, runAfter, startedAt, finishedAt } = change;
    yield {
      ...base,
      ...{ status, revision, retryCount, deliveries, lostLeases, progress, cancelRequested, worker },
      ...{ updatedAt, runAfter, startedAt, finishedAt },
      // An attempt has its error from its end on.
      attemptErrors: base.attemptErrors.filter(
        (entry) => entry.delivery < deliveries || (entry.delivery === deliveries && status !== "RUNNING"),
      ),
      error: errorAfter(base, change),
      result: undefined,
    };
  }
  if (now !== undefined && now.revision > seen.revision) yield now;
}
