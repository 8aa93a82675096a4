import type { Job } from "../../../gen/gotaskq/v1/job_pb.js";
import { api } from "./api.js";

/** Most dead jobs that are read. Groups of more would hardly help, and the filter narrows them down. */
export const MAX_READ = 2000;

/** Jobs per call. */
const PAGE_SIZE = 1000;

/**
 * Most jobs that are replayed or deleted one by one at the same time: a browser opens six connections, and the stream
 * takes one of them.
 */
const AT_ONCE = 4;

/** Selects dead jobs. An empty field matches all. */
export interface DeadFilter {
  readonly queue: string;
  readonly type: string;
  readonly errorContains: string;
}

/** Dead jobs with the same queue, type and error. */
export interface DeadGroup {
  readonly key: string;
  readonly queue: string;
  readonly type: string;
  readonly error: string;
  /** The latest death first. */
  readonly jobs: readonly Job[];
}

/** The dead jobs that were read. */
export interface DeadJobs {
  readonly jobs: readonly Job[];
  /** Whether there are more than were read. */
  readonly isCut: boolean;
}

/** Reads the dead jobs that match, at most `MAX_READ`. */
export async function readDeadJobs(filter: DeadFilter, signal: AbortSignal): Promise<DeadJobs> {
  const { queue, type, errorContains } = filter;
  const jobs: Job[] = [];
  let pageToken = "";
  let read = 0;
  do {
    const page = await api.dlq.listDeadJobs({ queue, type, pageSize: PAGE_SIZE, pageToken }, { signal });
    read += page.jobs.length;
    jobs.push(...page.jobs.filter(({ error }) => error.includes(errorContains)));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && read < MAX_READ);
  return { jobs, isCut: pageToken !== "" };
}

/** Groups dead jobs by queue, type and error, the largest group first. */
export function groupDead(jobs: readonly Job[]): readonly DeadGroup[] {
  const groups = new Map<string, Job[]>();
  for (const job of jobs) {
    const key = JSON.stringify([job.queue, job.type, job.error]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [job]);
    else group.push(job);
  }
  return [...groups]
    .map(([key, members]) => {
      const [queue, type, error] = JSON.parse(key) as [string, string, string];
      return { key, queue, type, error, jobs: members };
    })
    .sort((a, b) => b.jobs.length - a.jobs.length || (a.key < b.key ? -1 : 1));
}

/** Runs an action on several jobs. Returns for how many it succeeded, and the first error. */
export async function forEachJob(
  ids: readonly string[],
  action: (id: string) => Promise<unknown>,
): Promise<{ count: number; error: unknown }> {
  const left = [...ids];
  let count = 0;
  let error: unknown;
  async function work(): Promise<void> {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      try {
        await action(id);
        count++;
      } catch (thrown) {
        error ??= thrown;
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { count, error };
}
