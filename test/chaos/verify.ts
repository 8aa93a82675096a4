import { type Job, JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import type { Queue } from "../../gen/gotaskq/v1/queue_service_pb.js";
import type { Story } from "./history.js";
import type { PlannedJob } from "./plan.js";

/** What is left at the end of a run. */
export interface Remains {
  /** What the producers were told, by job id. */
  readonly accepted: ReadonlyMap<string, PlannedJob>;
  /** The jobs that the servers list. */
  readonly record: readonly Job[];
  readonly queues: readonly Queue[];
  /** What the change log said. */
  readonly stories: ReadonlyMap<string, Story>;
}

/** The result of the comparison. */
export interface Verdict {
  readonly counts: Readonly<
    Record<
      "done" | "dead" | "lost" | "unknown" | "endedTwice" | "unfinished" | "runs" | "lostLeases" | "changes",
      number
    >
  >;
  readonly violations: readonly string[];
}

/** Compares, job by job, what was accepted with what is recorded and what the change log said. */
export function verify({ accepted, record, queues, stories }: Remains): Verdict {
  const violations: string[] = [];
  const counts = {
    done: 0,
    dead: 0,
    lost: 0,
    unknown: 0,
    endedTwice: 0,
    unfinished: 0,
    runs: 0,
    lostLeases: 0,
    changes: 0,
  };
  const recorded = new Set(record.map(({ id }) => id));
  for (const [id, { requestId }] of accepted) {
    if (recorded.has(id)) continue;
    counts.lost++;
    violations.push(`job ${id} (${requestId}) was accepted and is lost`);
  }

  const listed = new Set<string>();
  for (const job of record) {
    const planned = accepted.get(job.id);
    if (listed.has(job.id)) violations.push(`job ${job.id} is listed twice`);
    listed.add(job.id);
    if (planned === undefined) {
      counts.unknown++;
      violations.push(`job ${job.id} is listed, and no producer was told of it`);
      continue;
    }
    if (job.status === JobStatus.DONE) counts.done++;
    else if (job.status === JobStatus.DEAD) counts.dead++;
    else counts.unfinished++;
    counts.runs += job.deliveries;
    counts.lostLeases += job.lostLeases;
    violations.push(...compare(job, planned, stories.get(job.id)));
  }
  for (const [id, { done, dead, revision }] of stories) {
    counts.changes += revision;
    if (done + dead > 1) counts.endedTwice++;
    if (!accepted.has(id)) violations.push(`the change log tells of job ${id}, and no producer was told of it`);
  }
  violations.push(...checkQueues(queues, counts));
  return { counts, violations };
}

function compare(job: Job, planned: PlannedJob, story: Story | undefined): string[] {
  const found: string[] = [];
  const expect = (what: string, got: number, wanted: number) => {
    if (got !== wanted) found.push(`job ${job.id} (${planned.requestId}): ${what} is ${got}, not ${wanted}`);
  };
  if (job.status !== planned.status) {
    const [got, wanted] = [JobStatus[job.status], JobStatus[planned.status]];
    found.push(`job ${job.id} (${planned.requestId}) is ${got}, not ${wanted}: ${job.error}`);
  }
  // A crash costs a delivery and never a retry.
  expect("retry_count", job.retryCount, planned.retryCount);
  if (job.deliveries < job.retryCount + 1 + job.lostLeases) {
    found.push(`job ${job.id} has ${job.deliveries} deliveries, ${job.lostLeases} of them lost`);
  }
  if (story === undefined) return [...found, `the change log never told of job ${job.id}`];
  expect("the number of completions in the change log", story.done, planned.status === JobStatus.DONE ? 1 : 0);
  expect("the number of deaths in the change log", story.dead, planned.status === JobStatus.DEAD ? 1 : 0);
  expect("the number of runs in the change log", story.running, job.deliveries);
  expect("the last revision in the change log", story.revision, job.revision);
  return found;
}

function checkQueues(queues: readonly Queue[], counts: { readonly done: number; readonly dead: number }): string[] {
  const sum = { ready: 0, scheduled: 0, retrying: 0, limited: 0, running: 0, dead: 0, done: 0 };
  for (const { stats } of queues) {
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += stats?.[key] ?? 0;
  }
  const wanted = { ready: 0, scheduled: 0, retrying: 0, limited: 0, running: 0, dead: counts.dead, done: counts.done };
  return (Object.keys(sum) as (keyof typeof sum)[])
    .filter((key) => sum[key] !== wanted[key])
    .map((key) => `the queues count ${sum[key]} jobs as ${key}, and there are ${wanted[key]}`);
}
