import type { Change } from "./backend.js";
import type { Job } from "./job.js";

/**
 * The states a watcher has not seen: the changes since `seen`, then the job as it is now. A job that is gone by now (it
 * finished and was forgotten, or was deleted) is told from the changes alone.
 */
export function* story(seen: Job, changes: readonly Change[], now: Job | undefined): Generator<Job> {
  const base = now ?? seen;
  for (const change of changes) {
    if (change.deleted || (now !== undefined && change.revision >= now.revision)) continue;
    const { status, revision, retryCount, deliveries, lostLeases, error, progress, cancelRequested, worker } = change;
    const { updatedAt, runAfter, startedAt, finishedAt } = change;
    yield {
      ...base,
      ...{ status, revision, retryCount, deliveries, lostLeases, error, progress, cancelRequested, worker },
      ...{ updatedAt, runAfter, startedAt, finishedAt },
      // An attempt has its error from its end on.
      attemptErrors: base.attemptErrors.filter(
        (entry) => entry.delivery < deliveries || (entry.delivery === deliveries && status !== "RUNNING"),
      ),
      // A change has the beginning of the text only.
      error: base.error.startsWith(error) && error !== "" ? base.error : error,
      result: undefined,
    };
  }
  if (now !== undefined && now.revision > seen.revision) yield now;
}
