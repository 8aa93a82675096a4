import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Job, JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { SettleResult } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { payload } from "../support/rpc.js";
import { judge } from "./calls.js";
import type { Fleet } from "./fleet.js";
import type { Story } from "./history.js";
import type { Member } from "./member.js";
import type { Random } from "./random.js";

/** The queues of those who cancel, who replay, and of the workers outside the server. */
export const SIDE_QUEUES = ["canceled", "replayed", "remote"] as const;

/** What they were told. Job ids. */
export interface SideLedger {
  readonly canceled: Set<string>;
  /** Dead, and replayed once. */
  readonly replayed: Set<string>;
  /** Created for remote workers. */
  readonly created: Set<string>;
  /** Completed by them. */
  readonly completed: Set<string>;
  /** Completions that were refused, as the lease was lost. */
  lost: number;
  violation(text: string): void;
}

/** What all who do something beside the producers share. */
export interface SideDeps {
  readonly fleet: Fleet;
  readonly ledger: Pick<SideLedger, "violation">;
  /** Aborted when no new jobs are wanted. */
  readonly end: AbortSignal;
  /** Aborted when the run is over. */
  readonly stop: AbortSignal;
}

/** What those share who are told something that is checked. */
export interface ToldDeps extends SideDeps {
  readonly ledger: SideLedger;
  readonly leaseMs: number;
}

/** How long a call may take before it is given up, ms. */
const CALL_MS = 2500;

let numbers = 0;

/** Repeats a call until it is answered. */
export async function repeat<T>(
  { fleet, ledger, stop }: SideDeps,
  random: Random,
  call: (member: Member, options: { timeoutMs: number }) => Promise<T>,
): Promise<T> {
  for (;;) {
    stop.throwIfAborted();
    const member = await fleet.any(random);
    try {
      return await call(member, { timeoutMs: CALL_MS });
    } catch (error) {
      const failure = judge(error);
      if (failure.violation !== undefined) ledger.violation(`a call was ${failure.violation}`);
      await sleep(random.between(10, 100));
    }
  }
}

async function createJob(deps: SideDeps, random: Random, queue: string, type: string, delayMs = 0): Promise<string> {
  const request = {
    ...{ queue, type, maxRetries: 0, requestId: `side-${queue}-${numbers++}`, payloadKind: payload({ n: 1 }) },
    schedule: { case: "delay" as const, value: durationFromMs(delayMs) },
  };
  const answer = await repeat(deps, random, ({ jobs }, options) => jobs.createJob(request, options));
  return answer.job?.id ?? "";
}

/** Creates jobs that wait, and cancels them. */
export async function cancelJobs(deps: ToldDeps, random: Random): Promise<void> {
  while (!deps.end.aborted) {
    const id = await createJob(deps, random, "canceled", "noop", 3_600_000);
    await repeat(deps, random, ({ jobs }, options) => jobs.cancelJob({ id }, options));
    deps.ledger.canceled.add(id);
    await sleep(random.between(5, 30));
  }
}

/** Creates jobs that fail for good, and replays them once: they die twice. */
export async function replayJobs(deps: ToldDeps, random: Random): Promise<void> {
  const status = async (id: string) =>
    (await repeat(deps, random, ({ jobs }, options) => jobs.getJob({ id }, options))).job?.status;
  while (!deps.end.aborted) {
    const id = await createJob(deps, random, "replayed", "broken");
    while ((await status(id)) !== JobStatus.DEAD) await sleep(10);
    // Not repeated blindly: whether a call whose answer was lost has replayed it is told by its revision.
    const seen = await revision(deps, random, id);
    do {
      const { dlq } = await deps.fleet.any(random);
      await dlq.replayDeadJob({ id }, { timeoutMs: CALL_MS }).catch((error) => {
        const failure = judge(error);
        if (failure.violation !== undefined) deps.ledger.violation(`a replay was ${failure.violation}`);
      });
    } while ((await revision(deps, random, id)) === seen);
    deps.ledger.replayed.add(id);
    await sleep(random.between(5, 30));
  }
}

async function revision(deps: SideDeps, random: Random, id: string): Promise<number> {
  const answer = await repeat(deps, random, ({ jobs }, options) => jobs.getJob({ id }, options));
  return Number(answer.job?.revision ?? 0);
}

/** Creates jobs for workers outside the server, leases them, now and then holds them over a kill, and completes them. */
export async function workRemotely(deps: ToldDeps, random: Random, worker: string): Promise<void> {
  const { ledger, leaseMs } = deps;
  const mine = new Set<string>();
  while (!deps.end.aborted || [...mine].some((id) => !ledger.completed.has(id))) {
    if (!deps.end.aborted) {
      const id = await createJob(deps, random, "remote", worker);
      mine.add(id);
      ledger.created.add(id);
    }
    const request = {
      ...{ worker, queues: ["remote"], types: [worker], maxJobs: 3, requestId: `${worker}-${numbers++}` },
      ...{ wait: durationFromMs(200), lease: durationFromMs(leaseMs) },
    };
    const answer = await repeat(deps, random, ({ workers }, options) => workers.leaseJobs(request, options));
    if (random.next() < 0.3) await sleep(random.between(1, 600));
    for (const { job, leaseToken } of answer.leases ?? []) {
      const completions = [{ jobId: job?.id ?? "", leaseToken }];
      const settled = await repeat(deps, random, ({ workers }, options) =>
        workers.completeJobs({ completions }, options),
      );
      const outcome = settled.outcomes[0]?.result;
      if (outcome === SettleResult.APPLIED || outcome === SettleResult.ALREADY_APPLIED) {
        if (ledger.completed.has(job?.id ?? "")) ledger.violation(`job ${job?.id} was completed twice`);
        ledger.completed.add(job?.id ?? "");
      } else ledger.lost++;
    }
  }
}

/** Compares what they were told with the record and the change log. */
export function verifySides(ledger: SideLedger, record: readonly Job[], stories: ReadonlyMap<string, Story>): void {
  const jobs = new Map(record.map((job) => [job.id, job]));
  const expect = (ids: ReadonlySet<string>, status: JobStatus, done: number, dead: number) => {
    for (const id of ids) {
      const story = stories.get(id);
      const found = jobs.get(id)?.status ?? JobStatus.UNSPECIFIED;
      if (found !== status) ledger.violation(`job ${id} is ${JobStatus[found]}, not ${JobStatus[status]}`);
      if (story?.done !== done || story.dead !== dead) {
        ledger.violation(
          `job ${id} was ${story?.done} times done and ${story?.dead} times dead, not ${done} and ${dead}`,
        );
      }
    }
  };
  expect(ledger.canceled, JobStatus.CANCELED, 0, 0);
  expect(ledger.replayed, JobStatus.DEAD, 0, 2);
  expect(ledger.completed, JobStatus.DONE, 1, 0);
  for (const id of ledger.created) if (!ledger.completed.has(id)) ledger.violation(`job ${id} was never completed`);
}
