import type { JobKey, KeyPage, ListDeadQuery, ListPage, ListQuery } from "../../core/backend.js";
import { pageTokenInvalid } from "../../model/errors.js";
import { type Job, type JobStatus, jobBytes } from "../../model/job.js";
import { LIMITS } from "../../model/limits.js";
import { toJob } from "./job-record.js";
import type { JobStore } from "./job-store.js";
import { compareCreation, type QueuedJob, type QueueState } from "./queue-state.js";

/** One page of a queue the newest first. */
export function list(store: JobStore, query: ListQuery): ListPage {
  return jobsOf(findJobs(store, query));
}

/** The keys of `list`. */
export function listKeys(store: JobStore, query: ListQuery): KeyPage {
  return keysOf(findJobs(store, query));
}

/** One page of a queue's dead jobs by time of death. */
export function listDead(store: JobStore, query: ListDeadQuery): ListPage {
  return jobsOf(findDead(store, query));
}

/** The keys of `listDead`. */
export function listDeadKeys(store: JobStore, query: ListDeadQuery): KeyPage {
  return keysOf(findDead(store, query));
}

function findJobs(store: JobStore, query: ListQuery): Found {
  const queue = store.queue(query.queue);
  const after = query.after === undefined ? undefined : parseKey(query.after);
  const matches = (record: QueuedJob) =>
    (query.statuses.length === 0 || query.statuses.includes(record.status)) &&
    (query.type === undefined || record.type === query.type);
  return page(
    candidates(queue, query.statuses, after),
    query,
    matches,
    (record) => `${record.createdAt}-${record.number}`,
  );
}

/** The jobs to examine: all, or only the RUNNING and DEAD ones when no other status is wanted and they are few. */
function candidates(queue: QueueState, statuses: readonly JobStatus[], after: Key | undefined): Iterable<QueuedJob> {
  const last = after && { createdAt: after.at, number: after.number };
  const isBefore = (record: QueuedJob) => last === undefined || compareCreation(record, last) < 0;
  const isFew = statuses.length > 0 && statuses.every((status) => status === "RUNNING" || status === "DEAD");
  if (!isFew || queue.running.size + queue.dead > LIMITS.scan) {
    return queue.all.descending(after === undefined ? undefined : isBefore);
  }
  return [...queue.running, ...queue.deadRecords()].filter(isBefore).sort((a, b) => compareCreation(b, a));
}

function findDead(store: JobStore, query: ListDeadQuery): Found {
  const entries = store
    .queue(query.queue)
    .deadJobs(query.order, query.after === undefined ? undefined : parseKey(query.after));
  return page(
    entries,
    query,
    (entry) => query.type === undefined || entry.record.type === query.type,
    (entry) => `${entry.at}-${entry.record.number}`,
    (entry) => entry.record,
  );
}

interface Key {
  readonly at: number;
  readonly number: string;
}

/** Takes the key of a job apart; PAGE_TOKEN_INVALID for what is none. */
function parseKey(key: string): Key {
  const match = /^(\d{1,16})-(\d{1,20})$/.exec(key);
  if (match === null) throw pageTokenInvalid();
  return { at: Number(match[1]), number: match[2] as string };
}

/** What a page has. */
interface Found {
  readonly found: readonly (JobKey & { readonly job: Job })[];
  readonly next: string | undefined;
}

function jobsOf({ found, next }: Found): ListPage {
  return { jobs: found.map(({ job }) => job), next };
}

function keysOf({ found, next }: Found): KeyPage {
  return { keys: found.map(({ key, bytes }) => ({ key, bytes })), next };
}

function page<T>(
  items: Iterable<T>,
  { limit, scan = LIMITS.scan, maxBytes = Number.POSITIVE_INFINITY }: Pick<ListQuery, "limit" | "scan" | "maxBytes">,
  matches: (item: T) => boolean,
  keyOf: (item: T) => string,
  recordOf: (item: T) => QueuedJob = (item) => item as unknown as QueuedJob,
): Found {
  const found: (JobKey & { readonly job: Job })[] = [];
  let examined = 0;
  let total = 0;
  let next: string | undefined;
  for (const item of items) {
    // The page is full, or enough was examined, and there is one more job: so there is a next page.
    if (found.length === limit || examined === scan) return { found, next };
    const key = keyOf(item);
    if (matches(item)) {
      const job = toJob(recordOf(item));
      const bytes = jobBytes(job);
      total += bytes;
      if (total > maxBytes && found.length > 0) return { found, next };
      found.push({ key, bytes, job });
    }
    examined++;
    next = key;
  }
  return { found, next: undefined };
}
