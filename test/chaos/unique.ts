import { setTimeout as sleep } from "node:timers/promises";
import { type Job, JobStatus, UniqueConflict, UniqueUntil } from "../../gen/gotaskq/v1/job_pb.js";
import type { JobChange } from "../../gen/gotaskq/v1/job_service_pb.js";
import { payload } from "../support/rpc.js";
import type { Random } from "./random.js";
import { repeat, type SideDeps } from "./sides.js";

/** The queue of the jobs that compete for unique keys. */
export const UNIQUE_QUEUE = "unique";

const KEYS = 6;

/** Creates jobs of a few unique keys, over and over: most find one that holds the key. Adds the ids that were answered to `answered`. */
export async function createUnique(deps: SideDeps, random: Random, answered: Set<string>, name: string): Promise<void> {
  for (let n = 0; !deps.end.aborted; n++) {
    const at = random.between(0, KEYS - 1);
    // Each key is always used in one way, so that what holds of it can be told.
    const replaces = at % 3 === 2;
    const request = {
      ...{ queue: UNIQUE_QUEUE, type: "sleep", payloadKind: payload({ n, ms: random.between(0, 200) }) },
      ...{ requestId: `unique-${name}-${n}`, maxRetries: 0 },
      unique: {
        key: `${replaces ? "started" : "finished"}-${at}`,
        until: replaces ? UniqueUntil.STARTED : UniqueUntil.FINISHED,
        onConflict: replaces ? UniqueConflict.REPLACE : UniqueConflict.KEEP,
      },
    };
    const { job } = await repeat(deps, random, ({ jobs }, options) => jobs.createJob(request, options));
    answered.add(job?.id ?? "");
    await sleep(random.between(0, 30));
  }
}

/**
 * Checks that at no position of the log two jobs held one key, and that every job that was answered is there and DONE. `changes`: those
 * of the queue, in order; `record`: its jobs at the end.
 */
export function verifyUnique(
  changes: readonly Pick<JobChange, "jobId" | "status" | "deleted">[],
  record: readonly Job[],
  answered: ReadonlySet<string>,
): string[] {
  const violations: string[] = [];
  const jobs = new Map(record.map((job) => [job.id, job]));
  for (const id of answered) {
    const status = jobs.get(id)?.status ?? JobStatus.UNSPECIFIED;
    if (status !== JobStatus.DONE) violations.push(`unique job ${id} was answered and is ${JobStatus[status]}`);
  }
  for (const { id, unique } of record) if (unique === undefined) violations.push(`job ${id} has lost its unique key`);
  const holders = new Map<string, string>();
  const begun = new Set<string>();
  for (const { jobId, status, deleted } of changes) {
    const { key, until } = jobs.get(jobId)?.unique ?? {};
    if (key === undefined) continue;
    if (status === JobStatus.RUNNING) begun.add(jobId);
    // One that gave its key up when it began runs without it when it comes back after a lost lease.
    const hasGivenUp = until === UniqueUntil.STARTED && begun.has(jobId);
    const isOpen = status === JobStatus.PENDING || status === JobStatus.RUNNING || status === JobStatus.FAILED;
    const holder = holders.get(key);
    if (isOpen && !hasGivenUp && !deleted) {
      if (holder !== undefined && holder !== jobId) violations.push(`${holder} and ${jobId} both held ${key}`);
      holders.set(key, jobId);
    } else if (holder === jobId) holders.delete(key);
  }
  return violations;
}
