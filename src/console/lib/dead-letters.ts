import type { Job } from "../../../gen/gotaskq/v1/job_pb.js";
import { api } from "./api.js";
import { count, countOf } from "./format.js";

/** Dead jobs that are read at most: a page of groups of more would say little, and queue and type narrow them down. */
const MAX_READ = 2000;

/** Jobs per call. */
const PAGE_SIZE = 1000;

/** A page of the server may have few jobs or none where there are more: so many are asked for at most. */
const MAX_CALLS = 20;

/** Jobs replayed or deleted one by one at the same time: a browser has six connections, and one is the stream's. */
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
  /** Those that match. */
  readonly jobs: readonly Job[];
  /** How many of this queue and type were read to find them. */
  readonly read: number;
  /** Whether there are more than were read. */
  readonly isCut: boolean;
}

/** Reads the dead jobs that match, at most `MAX_READ`. */
export async function readDeadJobs(filter: DeadFilter, signal: AbortSignal): Promise<DeadJobs> {
  const { queue, type, errorContains } = filter;
  const jobs: Job[] = [];
  let pageToken = "";
  let read = 0;
  let calls = 0;
  do {
    calls++;
    const page = await api.dlq.listDeadJobs({ queue, type, pageSize: PAGE_SIZE, pageToken }, { signal });
    read += page.jobs.length;
    jobs.push(...page.jobs.filter(({ error }) => error.includes(errorContains)));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && read < MAX_READ && calls < MAX_CALLS);
  return { jobs, read, isCut: pageToken !== "" };
}

/** What is shown of the dead jobs, and what was not read. `total`: all dead jobs of the queue, as its figures tell. */
export function describeRead(
  { jobs, read, isCut }: DeadJobs,
  { queue, type }: DeadFilter,
  total: number | undefined,
): string {
  if (!isCut) return countOf(jobs.length, "dead job");
  const place = `${type && ` of type ${type}`}${queue && ` in queue ${queue}`}`;
  // The figures of a queue do not tell types apart.
  const isTold = type === "" && total !== undefined && total > read;
  const among = isTold
    ? `the first ${count(read)} of ${countOf(total, "dead job")}${place}`
    : `the first ${countOf(read, "dead job")}${place}, and there may be more`;
  const shown = jobs.length === read ? `Showing ${among}` : `${count(jobs.length)} match among ${among}`;
  return `${shown}; groups and search cover only these`;
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
