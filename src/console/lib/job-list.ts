import { useEffect, useRef, useState } from "preact/hooks";
import type { Job, JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import type { JobChange, WatchJobsResponse } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { api, live } from "./api.js";
import { useLive } from "./live.js";

/** Jobs a page of the list. */
export const PAGE_SIZE = 50;

/** How often changes are drawn at most, and how often the list is read again at most, ms: thousands may come a second. */
const DRAW_MS = 250;
const RELOAD_MS = 1500;

/** A page of the server may have few jobs or none where there are more: so many are asked for at most. */
const MAX_CALLS = 10;

/** What is listed. */
export interface JobFilter {
  readonly queue: string;
  readonly type: string;
  readonly status: JobStatus | undefined;
  /** The token of the page; empty: the first one. */
  readonly page: string;
}

/** What is to be shown of a list. */
export interface JobList {
  /** Undefined until it is known. */
  readonly jobs: readonly Job[] | undefined;
  readonly nextPage: string;
  /** Why it could not be read. */
  readonly error: unknown;
  readonly reload: () => void;
}

/** Reads one page of jobs. */
async function readPage(filter: JobFilter, signal: AbortSignal): Promise<{ jobs: Job[]; nextPage: string }> {
  const { queue, type, status } = filter;
  const statuses = status === undefined ? [] : [status];
  const jobs: Job[] = [];
  let pageToken = filter.page;
  for (let calls = 0; calls < MAX_CALLS; calls++) {
    const request = { queue, type, statuses, pageToken, pageSize: PAGE_SIZE - jobs.length };
    const page = await api.jobs.listJobs(request, { signal });
    jobs.push(...page.jobs);
    pageToken = page.nextPageToken;
    if (pageToken === "" || jobs.length >= PAGE_SIZE) break;
  }
  return { jobs, nextPage: pageToken };
}

/** A job with what a change says of it. */
function changed(job: Job, change: JobChange): Job {
  if (change.revision <= job.revision) return job;
  const { status, revision, priority, retryCount, deliveries, error, progress, cancelRequested, worker } = change;
  const { runAfter, startedAt, finishedAt, time: updatedAt } = change;
  const news = { status, revision, priority, retryCount, deliveries, error, cancelRequested, worker };
  return {
    ...job,
    ...news,
    ...(progress && { progress }),
    ...(runAfter && { runAfter }),
    ...(startedAt && { startedAt }),
    ...(finishedAt && { finishedAt }),
    ...(updatedAt && { updatedAt }),
  };
}

/**
 * A page of jobs, live: the jobs shown change as they do, and the first page is read again when others appear. While
 * `isHeld`, nothing moves.
 */
export function useJobList(filter: JobFilter, isHeld: boolean): JobList {
  const [state, setState] = useState<Omit<JobList, "reload">>({ jobs: undefined, nextPage: "", error: undefined });
  const key = JSON.stringify(filter);
  const list = useRef<ListKeeper>(undefined);
  list.current ??= new ListKeeper(setState);
  const keeper = list.current;
  keeper.isHeld = isHeld;

  useEffect(() => {
    keeper.show(JSON.parse(key) as JobFilter);
    return () => keeper.stop();
  }, [keeper, key]);

  // A change to another status takes a job off a list, so the watch is not by status.
  const { queue, type } = filter;
  useLive<WatchJobsResponse>(
    {
      open: (signal) => live.jobs.watchJobs({ queues: queue ? [queue] : [], types: type ? [type] : [] }, { signal }),
      onMessage: ({ event }) => {
        if (event.case === "change") keeper.take(event.value);
        // The watch is in place: whatever is read from here on misses nothing. After a break all may be different.
        else if (event.case === "heartbeat") keeper.reload();
      },
      onFinal: (error) => setState({ jobs: undefined, nextPage: "", error }),
    },
    JSON.stringify([queue, type]),
  );
  return { ...state, reload: () => keeper.reload() };
}

/** Keeps the jobs of a page: collects changes, draws them now and then, and reads the list again when it must. */
class ListKeeper {
  isHeld = false;
  #filter: JobFilter | undefined;
  #jobs: readonly Job[] | undefined;
  #nextPage = "";
  #leave = new AbortController();
  #readAt = Number.NEGATIVE_INFINITY;
  #isStale = false;
  #isReading = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #changes = new Map<string, JobChange>();

  constructor(readonly draw: (state: Omit<JobList, "reload">) => void) {}

  /** Begins with another filter. */
  show(filter: JobFilter): void {
    this.stop();
    this.#filter = filter;
    this.#leave = new AbortController();
    this.#jobs = undefined;
    this.draw({ jobs: undefined, nextPage: "", error: undefined });
    this.reload();
  }

  stop(): void {
    this.#leave.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changes.clear();
    this.#isReading = false;
    this.#filter = undefined;
  }

  /** Reads the list, at once. */
  reload(): void {
    if (this.#filter === undefined) return;
    this.#isStale = true;
    this.#readAt = Number.NEGATIVE_INFINITY;
    this.#work();
  }

  take(change: JobChange): void {
    this.#changes.set(change.jobId, change);
    this.#timer ??= setTimeout(() => this.#work(), DRAW_MS);
  }

  #work(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const isFirst = this.#jobs === undefined;
    if (!this.isHeld || isFirst) {
      this.#apply();
      if (this.#isStale && !this.#isReading && performance.now() - this.#readAt >= RELOAD_MS) void this.#read();
    }
    if (this.#isStale || this.#changes.size > 0) this.#timer ??= setTimeout(() => this.#work(), DRAW_MS);
  }

  #apply(): void {
    const filter = this.#filter;
    if (this.#jobs === undefined || this.#changes.size === 0 || filter === undefined) return;
    let isChanged = false;
    const jobs: Job[] = [];
    for (const job of this.#jobs) {
      const change = this.#changes.get(job.id);
      this.#changes.delete(job.id);
      const after = change === undefined ? job : changed(job, change);
      if (after !== job) isChanged = true;
      if (change?.deleted || (filter.status !== undefined && after.status !== filter.status)) this.#isStale = true;
      else jobs.push(after);
    }
    // What is left concerns other jobs: they may belong on the first page.
    const fits = (change: JobChange) => filter.status === undefined || change.status === filter.status;
    if (filter.page === "" && [...this.#changes.values()].some(fits)) this.#isStale = true;
    this.#changes.clear();
    if (!isChanged && jobs.length === this.#jobs.length) return;
    this.#jobs = jobs;
    this.draw({ jobs, nextPage: this.#nextPage, error: undefined });
  }

  async #read(): Promise<void> {
    const filter = this.#filter;
    const { signal } = this.#leave;
    if (filter === undefined) return;
    this.#isStale = false;
    this.#isReading = true;
    this.#readAt = performance.now();
    try {
      const { jobs, nextPage } = await readPage(filter, signal);
      if (signal.aborted) return;
      this.#jobs = jobs;
      this.#nextPage = nextPage;
      this.draw({ jobs, nextPage, error: undefined });
    } catch (error) {
      if (signal.aborted) return;
      // Jobs that were shown are still worth showing; the banner tells that they may be old.
      if (this.#jobs === undefined) this.draw({ jobs: undefined, nextPage: "", error });
    } finally {
      if (!signal.aborted) this.#isReading = false;
    }
  }
}
