import { queueNotFound, TaskQueueError } from "../../model/errors.js";
import { type Job, jobBytes } from "../../model/job.js";
import { LIMITS } from "../../model/limits.js";
import type { Backend, ListPage } from "../backend.js";
import { readPageToken, writePageToken } from "./page-token.js";

/** Most queues that one page reads from. */
const MAX_QUEUES = 100;

/** One page of a listing. */
export interface JobPage {
  readonly jobs: readonly Job[];
  /** `pageToken` for the next page; "": this is the last one. */
  readonly nextPageToken: string;
}

/** A request for a page. */
export interface PageRequest {
  /** Undefined: all queues, by name. */
  readonly queue: string | undefined;
  /** Most jobs on the page. 0 or undefined: 50. */
  readonly pageSize: number | undefined;
  readonly pageToken: string | undefined;
  /** The rest of the filter, as text: a page token made for another filter is refused. */
  readonly filter: string;
}

/** Reads one page of a listing of one queue or all. `list` reads a page of one queue. */
export async function listPages(
  backend: Backend,
  request: PageRequest,
  list: (queue: string, after: string | undefined, limit: number, maxBytes: number) => Promise<ListPage>,
): Promise<JobPage> {
  const filter = JSON.stringify([request.queue ?? "", request.filter]);
  const start = request.pageToken ? readPageToken(filter, request.pageToken) : undefined;
  const limit = request.pageSize || LIMITS.defaultPageSize;
  const names = await queueNames(backend, request.queue);
  const jobs: Job[] = [];
  let visited = 0;
  let bytes = 0;
  for (const queue of names) {
    if (start !== undefined && queue < start.queue) continue;
    const after = queue === start?.queue ? start.after : undefined;
    // A queue is begun only with half of the bytes left, because its first job is added whatever its size.
    if (visited++ === MAX_QUEUES || jobs.length === limit || bytes > LIMITS.pageBytes / 2) {
      return { jobs, nextPageToken: writePageToken(filter, { queue, after: undefined }) };
    }
    const maxBytes = LIMITS.pageBytes - bytes;
    const page = await pageOf(request.queue, () => list(queue, after, limit - jobs.length, maxBytes));
    for (const job of page.jobs) {
      jobs.push(job);
      bytes += jobBytes(job);
    }
    if (page.next !== undefined) {
      return { jobs, nextPageToken: writePageToken(filter, { queue, after: page.next }) };
    }
  }
  return { jobs, nextPageToken: "" };
}

/** Reads a page of one queue. With `wanted` undefined (all queues), one deleted meanwhile counts as empty. */
export async function pageOf(wanted: string | undefined, read: () => Promise<ListPage>): Promise<ListPage> {
  try {
    return await read();
  } catch (error) {
    const isGone = error instanceof TaskQueueError && error.reason === "QUEUE_NOT_FOUND";
    if (wanted === undefined && isGone) return { jobs: [], next: undefined };
    throw error;
  }
}

/** Resolves to the names of the queues to read, in order; QUEUE_NOT_FOUND if the given one does not exist. */
export async function queueNames(backend: Backend, queue: string | undefined): Promise<readonly string[]> {
  const names = (await backend.queueNames()).map(({ name }) => name);
  if (queue === undefined) return names;
  if (!names.includes(queue)) throw queueNotFound(queue);
  return [queue];
}
