import { TaskQueueError } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { type Job, jobBytes } from "../../model/job/job.js";
import type { JobView, ListOrder } from "../../model/job/job-filter.js";
import type { Backend } from "../backend.js";
import type { KeyPage, ListPage } from "../port/listing.js";
import { forEachAtOnce } from "./for-each-at-once.js";
import { createMergedKeys, type Place } from "./merged-keys.js";
import { readPageToken, writePageToken } from "./page-token.js";

/** Queues whose jobs are read at the same time. */
const AT_ONCE = 16;

/** One page of a listing. */
export interface JobPage {
  readonly jobs: readonly Job[];
  /** `pageToken` for the next page; "": this is the last one. */
  readonly nextPageToken: string;
}

/** A request for a page. */
export interface PageRequest {
  /** Sorted by name. */
  readonly queues: readonly string[];
  /** Default: NEWEST. */
  readonly order?: ListOrder | undefined;
  /** Default: FULL. */
  readonly view?: JobView | undefined;
  /** Most jobs on the page. 0 or undefined: 50. */
  readonly pageSize: number | undefined;
  readonly pageToken: string | undefined;
  /** Tells the filter: a page token made for another one is refused. */
  readonly filter: string;
}

/** Where a page of one queue begins and ends; see `ListQuery`. */
export interface PageBounds {
  readonly queue: string;
  readonly after: string | undefined;
  readonly limit: number;
  readonly scan?: number;
  readonly maxBytes?: number;
}

/** A listing of the backend. */
export interface Listing {
  /** Reads one page of one queue. */
  readonly jobs: (bounds: PageBounds) => Promise<ListPage>;
  /** Reads the keys of one. */
  readonly keys: (bounds: PageBounds) => Promise<KeyPage>;
  /** The key that a job has now; undefined when it is not in the listing any more. */
  readonly keyOf: (job: Job) => string | undefined;
}

/** Lists over one queue or several, page by page. */
export async function listPages(backend: Backend, request: PageRequest, listing: Listing): Promise<JobPage> {
  const { queues, pageSize, pageToken, filter } = request;
  const after = pageToken ? readPageToken(filter, pageToken) : undefined;
  const limit = pageSize || LIMITS.defaultPageSize;
  const [queue] = queues;
  const { jobs, next } =
    queue !== undefined && queues.length === 1
      ? await listing.jobs({ queue, after, limit, maxBytes: LIMITS.pageBytes })
      : await listMerged(backend, request, listing, after, limit);
  return { jobs, nextPageToken: next === undefined ? "" : writePageToken(filter, next) };
}

/** One page over several queues: first the keys of what comes next, then as many of these jobs as a page holds. */
async function listMerged(
  backend: Backend,
  { queues, order = "NEWEST", view }: PageRequest,
  listing: Listing,
  after: string | undefined,
  limit: number,
): Promise<ListPage> {
  const read = createMergedKeys({
    queues,
    after,
    order,
    read: (bounds) => keysOf(undefined, () => listing.keys(bounds)),
  });
  const { places, next } = await read(limit);
  const jobs: Job[] = [];
  let bytes = 0;
  let last = after;
  for (let rest = places; rest.length > 0; ) {
    // By their whole size, whatever is shown of them: a store may read more of a job than it answers.
    const part = fitting(rest);
    const found = await readPlaces(backend, part, view);
    for (const place of part) {
      const job = found.get(place.id);
      // It may be gone since its key was read, or not be what is listed any more.
      if (job !== undefined && listing.keyOf(job) === place.key) {
        bytes += jobBytes(job);
        if (bytes > LIMITS.pageBytes && jobs.length > 0) return { jobs, next: last };
        jobs.push(job);
      }
      last = place.key;
    }
    rest = rest.slice(part.length);
    if (view !== "BASIC" && rest.length > 0) return { jobs, next: last };
  }
  return { jobs, next };
}

/** As many of these places as fit on a page; the first one whatever its size. */
export function fitting(places: readonly Place[]): readonly Place[] {
  let bytes = 0;
  const over = places.findIndex((place, index) => {
    bytes += place.bytes;
    return bytes > LIMITS.pageBytes && index > 0;
  });
  return over < 0 ? places : places.slice(0, over);
}

/** Reads the jobs at these places, by id. */
async function readPlaces(
  backend: Backend,
  places: readonly Place[],
  view: JobView | undefined,
): Promise<ReadonlyMap<string, Job>> {
  const found = new Map<string, Job>();
  const byQueue = new Map<string, string[]>();
  for (const { queue, id } of places) {
    const ids = byQueue.get(queue);
    if (ids === undefined) byQueue.set(queue, [id]);
    else ids.push(id);
  }
  await forEachAtOnce(byQueue.values(), AT_ONCE, async (ids) => {
    for (const job of await backend.get(ids, view)) if (job !== undefined) found.set(job.id, job);
  });
  return found;
}

/** Reads keys of one queue. One of many may have been deleted since their names were read: it has none. */
export async function keysOf(wanted: string | undefined, read: () => Promise<KeyPage>): Promise<KeyPage> {
  try {
    return await read();
  } catch (error) {
    const isGone = error instanceof TaskQueueError && error.reason === "QUEUE_NOT_FOUND";
    if (wanted === undefined && isGone) return { keys: [], next: undefined };
    throw error;
  }
}
