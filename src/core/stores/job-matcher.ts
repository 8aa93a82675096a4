import { LIMITS } from "../../model/common/limits.js";
import { cutText } from "../../model/common/text.js";
import type { Job, JobStatus } from "../../model/job/job.js";
import type { JobMatch } from "../../model/job/job-filter.js";
import type { PendingState } from "../../model/job/pending-state.js";

/** What a filter looks at. */
export type Matchable = Pick<
  Job,
  | "id"
  | "type"
  | "key"
  | "status"
  | "metadata"
  | "error"
  | "worker"
  | "createdAt"
  | "finishedAt"
  | "cancelRequested"
  | "schedule"
> & { readonly pendingState?: PendingState | undefined };

/** A filter as stores know it. */
export interface StoreMatch extends JobMatch {
  /** Whether a cancel is requested and not acknowledged yet. Undefined: either. */
  readonly cancelRequested?: boolean | undefined;
}

/** Returns a function that tells whether a job matches. `pendingStateOf`: what a job waits for; default: as it says. */
export function createMatcher<T extends Matchable>(
  match: StoreMatch,
  pendingStateOf: (job: T) => PendingState | undefined = (job) => job.pendingState,
): (job: T) => boolean {
  const types = setOf(match.types);
  const statuses = setOf<JobStatus>(match.statuses);
  const pendingStates = setOf<PendingState | undefined>(match.pendingStates);
  const ids = setOf(match.ids);
  const keys = setOf(match.keys);
  const metadata = Object.entries(match.metadata ?? {});
  const { errorContains = "", errorEquals, errorGroup, worker = "", schedule = "", cancelRequested } = match;
  const { createdAfter = Number.NEGATIVE_INFINITY, createdBefore = Number.POSITIVE_INFINITY } = match;
  const { finishedAfter = Number.NEGATIVE_INFINITY, finishedBefore = Number.POSITIVE_INFINITY } = match;
  const mustBeFinished = match.finishedAfter !== undefined || match.finishedBefore !== undefined;
  const isFinishedWithin = (at: number | undefined) =>
    at === undefined ? !mustBeFinished : at >= finishedAfter && at < finishedBefore;
  return (job) =>
    (types === undefined || types.has(job.type)) &&
    (statuses === undefined || statuses.has(job.status)) &&
    (keys === undefined || keys.has(job.key ?? "")) &&
    (pendingStates === undefined || pendingStates.has(pendingStateOf(job))) &&
    job.createdAt >= createdAfter &&
    job.createdAt < createdBefore &&
    (!mustBeFinished || isFinishedWithin(job.finishedAt)) &&
    (cancelRequested === undefined || job.cancelRequested === cancelRequested) &&
    (schedule === "" || job.schedule === schedule) &&
    (worker === "" || job.worker === worker) &&
    (errorContains === "" || job.error.includes(errorContains)) &&
    (errorEquals === undefined || job.error === errorEquals) &&
    (errorGroup === undefined || errorGroupOf(job.error) === errorGroup) &&
    // The prototype of the object has names too.
    metadata.every(([key, value]) => Object.hasOwn(job.metadata, key) && job.metadata[key] === value) &&
    (ids === undefined || ids.has(job.id));
}

const UUID = /[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/g;
const WORD = /[0-9A-Za-z][0-9A-Za-z.]*/g;

/**
 * The start of an error with each number and id in it as `#`: each UUID, and each word of ASCII letters, digits and dots that has a
 * digit. The scripts of the Redis backend do the same.
 */
export function errorGroupOf(error: string): string {
  return cutText(error, LIMITS.changeErrorLength)
    .replace(UUID, "#")
    .replace(WORD, (word) => (/[0-9]/.test(word) ? `#${/\.*$/.exec(word)?.[0]}` : word));
}

/** Whether looking at a job takes much longer than a glance at its numbers. */
export function isCostly({ errorContains, errorGroup, metadata }: StoreMatch): boolean {
  return Boolean(errorContains) || errorGroup !== undefined || Object.keys(metadata ?? {}).length > 0;
}

function setOf<T>(list: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return list === undefined || list.length === 0 ? undefined : new Set(list);
}
