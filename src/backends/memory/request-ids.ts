import { isAutomatic, MAX_REQUEST_IDS, REQUEST_ID_TTL_MS, WITH_JOB_MS } from "../../model/job/request-id.js";
import { OrderedQueue } from "./indexes/ordered-queue.js";
import type { JobTimes } from "./records/job-record.js";

/** What is remembered of a create. */
export interface RememberedCreate {
  /** The number of the job that it created. */
  readonly number: string;
  /** Tells the content of the request; see `contentDigest`. */
  readonly digest: string;
  readonly times: JobTimes;
  /** What it did instead to the job whose unique key it met: that is the one of this number. */
  readonly met?: "KEPT" | "REPLACED" | undefined;
}

interface Entry extends RememberedCreate {
  readonly requestId: string;
  /** When it is forgotten, ms on the monotonic clock; `WITH_JOB_MS` later while it is remembered with its job. */
  readonly end: number;
}

/**
 * The request ids that a queue remembers: with their jobs, and for `REQUEST_ID_TTL_MS` at the least; automatic ones, and those
 * of creates that met a job, for just that time. No more than `MAX_REQUEST_IDS`. Times are ms on the monotonic clock.
 */
export class RequestIds {
  readonly #byId = new Map<string, Entry>();
  readonly #byEnd = new OrderedQueue<Entry>(
    (a, b) => a.end - b.end,
    (entry) => this.#byId.get(entry.requestId) === entry,
  );

  /** What was created with a request id; undefined when it is not remembered. */
  find(requestId: string, now: number): RememberedCreate | undefined {
    this.#forget(now);
    return this.#byId.get(requestId);
  }

  /** What is remembered now, whether or not it has had its time. */
  get(requestId: string): RememberedCreate | undefined {
    return this.#byId.get(requestId);
  }

  add(requestId: string, create: RememberedCreate, now: number): void {
    const { number, digest, times, met } = create;
    const kept = isAutomatic(requestId) || met !== undefined ? 0 : WITH_JOB_MS;
    this.#put({ requestId, number, digest, times, met, end: now + REQUEST_ID_TTL_MS + kept });
    if (this.#byId.size > MAX_REQUEST_IDS) this.#drop();
  }

  /** The job that was created with this request id is gone. */
  jobGone(requestId: string, number: string, now: number): void {
    const entry = this.#byId.get(requestId);
    // One that is remembered for a time only has nothing to do with the job.
    if (entry?.number !== number || entry.end < WITH_JOB_MS) return;
    this.#byId.delete(requestId);
    this.#byEnd.discard();
    const end = entry.end - WITH_JOB_MS;
    if (end > now) this.#put({ ...entry, end });
  }

  /** Forgets what has had its time. */
  #forget(now: number): void {
    while ((this.#byEnd.peek()?.end ?? Number.POSITIVE_INFINITY) <= now) this.#drop();
  }

  #put(entry: Entry): void {
    this.#byId.set(entry.requestId, entry);
    this.#byEnd.push(entry);
  }

  #drop(): void {
    const first = this.#byEnd.pop();
    if (first !== undefined) this.#byId.delete(first.requestId);
  }
}
