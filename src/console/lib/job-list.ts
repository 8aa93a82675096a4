import { useEffect, useRef, useState } from "preact/hooks";
import { HeldBy, type Job, JobStatus, JobView, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import type { JobChange, WatchJobsResponse } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { api, live } from "./api.js";
import { useLive } from "./live.js";

/** Jobs per page of the list. */
export const PAGE_SIZE = 50;

/**
 * The shortest time between two drawings of changes, and between two readings of the list, ms: thousands of changes may
 * come every second.
 */
const DRAW_MS = 250;
const RELOAD_MS = 1500;

/** How often a list by what jobs wait for is read, ms: that their time comes is no change that a watch tells. */
const WAITS_MS = 3000;

/** Most calls for one page of the list: a page from the server may have few jobs or none although there are more. */
const MAX_CALLS = 10;

/** Selects the jobs to list. An empty field matches all. */
export interface JobFilter {
  readonly queue: string;
  readonly type: string;
  readonly status: JobStatus | undefined;
  /** What they wait for, of PENDING jobs. */
  readonly waits: PendingState | undefined;
  readonly errorContains: string;
  /** The token of the page; empty for the first page. */
  readonly page: string;
}

/** The state of a list, as a page shows it. */
export interface JobList {
  /** Undefined until the list has been read. */
  readonly jobs: readonly Job[] | undefined;
  readonly nextPage: string;
  /** Why the list could not be read. */
  readonly error: unknown;
  readonly reload: () => void;
}

/** Reads one page of jobs. Returns it with the token of the next page, "" if it is the last. */
async function readPage(filter: JobFilter, signal: AbortSignal): Promise<{ jobs: Job[]; nextPage: string }> {
  const { queue, type, status, waits, errorContains } = filter;
  const statuses = status === undefined ? [] : [status];
  const chosen = { statuses, pendingStates: waits === undefined ? [] : [waits], errorContains };
  const jobs: Job[] = [];
  let pageToken = filter.page;
  for (let calls = 0; calls < MAX_CALLS; calls++) {
    const pageSize = PAGE_SIZE - jobs.length;
    const request = { queue, type, filter: chosen, view: JobView.BASIC, pageToken, pageSize };
    const page = await api.jobs.listJobs(request, { signal });
    jobs.push(...page.jobs);
    pageToken = page.nextPageToken;
    if (pageToken === "" || jobs.length >= PAGE_SIZE) break;
  }
  return { jobs, nextPage: pageToken };
}

/** Returns the job with a change applied, unless the job is as new as the change already. */
function changed(job: Job, change: JobChange): Job {
  if (change.revision <= job.revision) return job;
  const { status, revision, priority, retryCount, deliveries, error, progress, cancelRequested, worker } = change;
  const { runAfter, startedAt, finishedAt, time: updatedAt } = change;
  const news = { status, revision, priority, retryCount, deliveries, error, cancelRequested, worker };
  // A change does not tell what the job waits for.
  const waits = { pendingState: PendingState.UNSPECIFIED, heldBy: HeldBy.UNSPECIFIED };
  return {
    ...job,
    ...news,
    ...waits,
    ...(progress && { progress }),
    ...(runAfter && { runAfter }),
    ...(startedAt && { startedAt }),
    ...(finishedAt && { finishedAt }),
    ...(updatedAt && { updatedAt }),
  };
}

/**
 * A live page of jobs: the jobs shown are updated as they change, and the first page is read again when other jobs
 * appear. While `isHeld`, nothing on the page moves.
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

  const isTimed = filter.waits !== undefined;
  useEffect(() => {
    if (!isTimed) return;
    const timer = setInterval(() => keeper.reload(), WAITS_MS);
    return () => clearInterval(timer);
  }, [keeper, isTimed]);

  // The watch does not filter by status: a change to another status must take a job off the list.
  const { queue, type } = filter;
  useLive<WatchJobsResponse>(
    {
      open: (signal) => live.jobs.watchJobs({ queues: queue ? [queue] : [], types: type ? [type] : [] }, { signal }),
      onMessage: ({ event }) => {
        if (event.case === "change") keeper.take(event.value);
        // The watch is established, so whatever is read from now on misses no change. After a break anything may have
        // changed.
        else if (event.case === "heartbeat") keeper.reload();
      },
      onFinal: (error) => setState({ jobs: undefined, nextPage: "", error }),
    },
    JSON.stringify([queue, type]),
  );
  return { ...state, reload: () => keeper.reload() };
}

/**
 * Keeps the jobs of a page: collects changes, draws them every `DRAW_MS` at most, and reads the list again when it
 * must.
 */
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

  /** Starts over with another filter. */
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

  /** Reads the list again at once, without waiting for `RELOAD_MS`. */
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
    const status = filter.waits === undefined ? filter.status : JobStatus.PENDING;
    let isChanged = false;
    const jobs: Job[] = [];
    for (const job of this.#jobs) {
      const change = this.#changes.get(job.id);
      this.#changes.delete(job.id);
      const after = change === undefined ? job : changed(job, change);
      if (after !== job) isChanged = true;
      // Whether it still matches is for the server to say: a change has only the start of the error.
      if (filter.errorContains !== "" && after.error !== job.error) this.#isStale = true;
      if (filter.waits !== undefined && after !== job) this.#isStale = true;
      if (change?.deleted || (status !== undefined && after.status !== status)) this.#isStale = true;
      else jobs.push(after);
    }
    // The remaining changes are about other jobs, which may belong on the first page.
    const fits = (change: JobChange) => status === undefined || change.status === status;
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
      // Jobs that were shown stay on the page. The banner says that they may be out of date.
      if (this.#jobs === undefined) this.draw({ jobs: undefined, nextPage: "", error });
    } finally {
      if (!signal.aborted) this.#isReading = false;
    }
  }
}
