import { type Job, JobView } from "../../gen/gotaskq/v1/job_pb.js";
import type { Queue } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { pendingCount } from "../../src/model/queue/pending-counts.js";
import { eventually } from "../support/wait.js";
import type { Fleet } from "./fleet.js";
import type { Member } from "./member.js";
import type { Random } from "./random.js";

/** How long reads may go on failing before that counts as an outage, ms. */
const PATIENCE_MS = 20_000;

/** Asks any server until one answers: Redis may only just have come back. */
function ask<T>(fleet: Fleet, random: Random, what: string, call: (member: Member) => Promise<T>): Promise<T> {
  let last: unknown;
  const attempt = async () => {
    try {
      return await call(await fleet.any(random));
    } catch (error) {
      last = error;
      return undefined;
    }
  };
  return eventually(attempt, what, PATIENCE_MS).catch((error) => {
    throw new Error(`${error.message}; last: ${last}`);
  });
}

/** Resolves to the figures of all queues when no job waits or runs. `signal` ends the waiting. */
export async function untilQuiet(fleet: Fleet, random: Random, signal: AbortSignal): Promise<readonly Queue[]> {
  for (;;) {
    signal.throwIfAborted();
    const queues = await readQueues(fleet, random);
    const left = queues.reduce((sum, { stats }) => {
      return sum + (stats === undefined ? 0 : pendingCount(stats) + stats.running);
    }, 0);
    if (left === 0) return queues;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Returns the figures of all queues. */
export async function readQueues(fleet: Fleet, random: Random): Promise<readonly Queue[]> {
  const { queues } = await ask(fleet, random, "a list of the queues", ({ queues }) =>
    queues.listQueues({}, { timeoutMs: 5000 }),
  );
  return queues;
}

/** Returns every job that the servers know, page by page, each page from any server. */
export async function readRecord(fleet: Fleet, random: Random): Promise<Job[]> {
  const record: Job[] = [];
  let pageToken = "";
  do {
    const request = { pageSize: 1000, pageToken, view: JobView.BASIC };
    const page = await ask(fleet, random, "a page of the jobs", ({ jobs }) =>
      jobs.listJobs(request, { timeoutMs: 10_000 }),
    );
    record.push(...page.jobs);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return record;
}
