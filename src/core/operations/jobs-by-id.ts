import { jobNotFound, TaskQueueError } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { type Job, jobBytes } from "../../model/job/job.js";
import { isId, queueOf } from "../../model/queue/ids.js";
import { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import { byQueue } from "../stores/by-queue.js";
import { settledEach } from "./settled-each.js";

/** What came of one of several jobs: the job, or the error of an operation on it alone. */
export type JobOutcome = Job | TaskQueueError;

/** Most queues that are read at the same time: each may answer a job of any size. */
const QUEUES_AT_ONCE = 16;

/**
 * Reads up to 1000 jobs, each for itself, in the order of the ids. The answer ends with the job that brings it to
 * `LIMITS.pageBytes`: there may be fewer outcomes than ids. FIELD_INVALID for none or too many ids.
 */
export async function getEach(backend: Pick<Backend, "get">, ids: readonly string[]): Promise<readonly JobOutcome[]> {
  checkIds(ids);
  const outcomes: JobOutcome[] = [];
  for (let left: number = LIMITS.pageBytes; left > 0 && outcomes.length < ids.length; ) {
    const part = partOf(ids, outcomes.length);
    const queues = byQueue(part.filter(isId), (id) => id);
    const maxBytes = Math.ceil(left / queues.size);
    const read = new Map<string, readonly (Job | undefined)[] | TaskQueueError>();
    const answers = await settledEach([...queues], ([, own]) => backend.get(own, "FULL", maxBytes));
    [...queues.keys()].forEach((queue, at) => {
      read.set(queue, answers[at] as readonly (Job | undefined)[] | TaskQueueError);
    });
    /** How many jobs of each queue were taken. */
    const taken = new Map<string, number>();
    for (const id of part) {
      if (left <= 0) break;
      const outcome = isId(id) ? nextOf(read, taken, id) : idRefusal(id);
      // The store has read no further.
      if (outcome === undefined) break;
      outcomes.push(outcome);
      if (!(outcome instanceof TaskQueueError)) left -= jobBytes(outcome);
    }
  }
  return outcomes;
}

/**
 * Does something to up to 1000 jobs at the same moment, each for itself; resolves to what came of each, in the order of the ids.
 * Jobs after the one that brings them to `LIMITS.pageBytes` are without payload and result. FIELD_INVALID for none or too many ids.
 */
export async function changeEach(
  ids: readonly string[],
  change: (id: string) => Promise<Job>,
): Promise<readonly JobOutcome[]> {
  checkIds(ids);
  let left: number = LIMITS.pageBytes;
  return (await settledEach(ids, change)).map((outcome) => {
    if (outcome instanceof TaskQueueError) return outcome;
    if (left <= 0) return { ...outcome, payload: undefined, result: undefined };
    left -= jobBytes(outcome);
    return outcome;
  });
}

function checkIds(ids: readonly string[]): void {
  const violations = new Violations();
  violations.count("ids", ids, 1, LIMITS.batch);
  violations.throwIfAny();
}

/** Ids from a place on, of so many queues as are read at the same time. */
function partOf(ids: readonly string[], from: number): readonly string[] {
  const queues = new Set<string>();
  let to = from;
  for (; to < ids.length; to++) {
    const id = ids[to] as string;
    if (isId(id)) queues.add(queueOf(id));
    if (queues.size > QUEUES_AT_ONCE) break;
  }
  return ids.slice(from, to);
}

/** The next job of the queue of this id; undefined: it was not read. */
function nextOf(
  read: ReadonlyMap<string, readonly (Job | undefined)[] | TaskQueueError>,
  taken: Map<string, number>,
  id: string,
): JobOutcome | undefined {
  const queue = queueOf(id);
  const jobs = read.get(queue) ?? [];
  if (jobs instanceof TaskQueueError) return jobs;
  const at = taken.get(queue) ?? 0;
  if (at >= jobs.length) return undefined;
  taken.set(queue, at + 1);
  return jobs[at] ?? jobNotFound(id);
}

/** The FIELD_INVALID error of a text that cannot be a job id; undefined when it can be one. */
export function idRefusal(id: string): TaskQueueError | undefined {
  const violations = new Violations();
  violations.jobId("id", id);
  return violations.refusal();
}
