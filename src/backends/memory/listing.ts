import type { ListDeadQuery, ListPage, ListQuery } from "../../core/backend.js";
import { pageTokenInvalid } from "../../model/errors.js";
import { compareIds, isId } from "../../model/ids.js";
import { type Job, jobBytes } from "../../model/job.js";
import { LIMITS } from "../../model/limits.js";
import { toJob } from "./job-record.js";
import type { JobStore } from "./job-store.js";
import type { QueuedJob, QueueState } from "./queue-state.js";

/** One page of a queue by descending id. */
export function list(store: JobStore, query: ListQuery): ListPage {
  const queue = store.queue(query.queue);
  const { after } = query;
  if (after !== undefined && !isId(after)) throw pageTokenInvalid();
  const matches = (record: QueuedJob) =>
    (query.statuses.length === 0 || query.statuses.includes(record.status)) &&
    (query.type === undefined || record.type === query.type);
  return page(candidates(queue, query), query, matches, (record) => record.id);
}

/** The jobs to examine: all, or only the RUNNING and DEAD ones when no other status is wanted and they are few. */
function candidates(queue: QueueState, { statuses, after }: ListQuery): Iterable<QueuedJob> {
  const isBefore = (record: QueuedJob) => after === undefined || compareIds(record.id, after) < 0;
  const isFew = statuses.length > 0 && statuses.every((status) => status === "RUNNING" || status === "DEAD");
  if (!isFew || queue.running.size + queue.dead > LIMITS.scan) {
    return queue.all.descending(after === undefined ? undefined : isBefore);
  }
  return [...queue.running, ...queue.deadRecords()].filter(isBefore).sort((a, b) => compareIds(b.id, a.id));
}

/** One page of a queue's dead jobs by time of death. */
export function listDead(store: JobStore, query: ListDeadQuery): ListPage {
  const entries = store
    .queue(query.queue)
    .deadJobs(query.order, query.after === undefined ? undefined : parseDeadToken(query.after));
  return page(
    entries,
    query,
    (entry) => query.type === undefined || entry.record.type === query.type,
    (entry) => `${entry.at}-${entry.record.id}`,
    (entry) => entry.record,
  );
}

function parseDeadToken(token: string): { at: number; id: string } {
  const match = /^(\d{1,16})-(\d{1,20})$/.exec(token);
  if (match === null) throw pageTokenInvalid();
  return { at: Number(match[1]), id: match[2] as string };
}

function page<T>(
  items: Iterable<T>,
  { limit, maxBytes = Number.POSITIVE_INFINITY }: Pick<ListQuery, "limit" | "maxBytes">,
  matches: (item: T) => boolean,
  tokenOf: (item: T) => string,
  recordOf: (item: T) => QueuedJob = (item) => item as unknown as QueuedJob,
): ListPage {
  const jobs: Job[] = [];
  let examined = 0;
  let bytes = 0;
  let last: string | undefined;
  for (const item of items) {
    // The page is full, or enough was examined, and there is one more job: so there is a next page.
    if (jobs.length === limit || examined === LIMITS.scan) return { jobs, next: last };
    if (matches(item)) {
      const job = toJob(recordOf(item));
      bytes += jobBytes(job);
      if (bytes > maxBytes && jobs.length > 0) return { jobs, next: last };
      jobs.push(job);
    }
    examined++;
    last = tokenOf(item);
  }
  return { jobs, next: undefined };
}
