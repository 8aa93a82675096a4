import type { EnqueueResult, NewJob } from "../../../core/backend.js";
import { queueFull, queueNotFound } from "../../../model/errors.js";
import { numberOf } from "../../../model/ids.js";
import type { Job } from "../../../model/job.js";
import { readJob, writeSpec } from "../layout/codec.js";
import { Coalescers } from "../link/coalescer.js";
import type { Arg, Reply } from "../link/connection.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";

/** Most jobs of one shared script call: with these it runs for some ms. */
const BATCH = 1000;

/** `create`: if the jobs fit max_depth; `force`: whatever the depth; `check`: only check whether they fit. */
type Mode = "create" | "force" | "check";

interface Group {
  readonly mode: Mode;
  readonly jobs: readonly NewJob[];
}

interface GroupAnswer {
  readonly now: number;
  /** `N`: no such queue; `F` and max_depth: the queue is full; or a list of the jobs that existed already. */
  readonly answer: string | readonly Reply[];
}

/** Creates jobs. Concurrent creates in one queue share a script call. */
export class Creates {
  readonly #calls: QueueCalls;
  readonly #queues = new Coalescers<Group, GroupAnswer>(BATCH);

  constructor(calls: QueueCalls) {
    this.#calls = calls;
  }

  /** Creates all of the jobs or none; resolves to results in their order. QUEUE_NOT_FOUND, QUEUE_FULL. */
  async enqueue(jobs: readonly NewJob[]): Promise<EnqueueResult[]> {
    const [first] = jobs;
    if (first === undefined) return [];
    if (jobs.every(({ queue }) => queue === first.queue)) return this.#create(first.queue, jobs, "create");
    const byQueue = new Map<string, { jobs: NewJob[]; places: number[] }>();
    jobs.forEach((job, place) => {
      const group = byQueue.get(job.queue);
      if (group === undefined) byQueue.set(job.queue, { jobs: [job], places: [place] });
      else {
        group.jobs.push(job);
        group.places.push(place);
      }
    });
    // A script touches one queue only, so all queues are checked before jobs are created in each. Another server may
    // fill a queue in between: it then holds a little more than max_depth for a while.
    await Promise.all([...byQueue].map(([queue, group]) => this.#create(queue, group.jobs, "check")));
    const results: EnqueueResult[] = new Array(jobs.length);
    await Promise.all(
      [...byQueue].map(async ([queue, group]) => {
        const created = await this.#create(queue, group.jobs, "force");
        group.places.forEach((place, at) => {
          results[place] = created[at] as EnqueueResult;
        });
      }),
    );
    return results;
  }

  async #create(queue: string, jobs: readonly NewJob[], mode: Mode): Promise<EnqueueResult[]> {
    const send = (groups: readonly Group[]) => this.#send(queue, groups);
    const { now, answer } = await this.#queues.add(queue, send, { mode, jobs }, jobs.length);
    if (typeof answer === "string") {
      throw answer === "N" ? queueNotFound(queue) : queueFull(queue, Number(answer.slice(1)));
    }
    const results = jobs.map((job): EnqueueResult => {
      return { id: job.id, deduplicated: false, createdAt: now, runAfter: job.runAfter ?? now + (job.delayMs ?? 0) };
    });
    for (let at = 0; at < answer.length; at += 6) {
      const existing: Job = readJob(queue, answer.slice(at + 1, at + 6) as Buffer[]);
      const { id, createdAt, runAfter } = existing;
      results[Number(answer[at])] = { id, deduplicated: true, existing, createdAt, runAfter };
    }
    return results;
  }

  async #send(queue: string, groups: readonly Group[]): Promise<GroupAnswer[]> {
    const args: Arg[] = [];
    for (const { mode, jobs } of groups) {
      args.push(MODES[mode], jobs.length);
      for (const job of jobs) {
        args.push(headOf(job), writeSpec(job));
      }
    }
    // When the call is repeated, some of the jobs may exist already: the script recognises them by their ids.
    const all = (isRepeat: boolean) => [groups.length, isRepeat ? 1 : 0, ...args];
    const { now, rest } = await this.#calls.call("enqueue", queue, all);
    return rest.map((reply) => ({
      now,
      answer: reply instanceof Buffer ? text(reply) : Array.isArray(reply) ? reply : [],
    }));
  }
}

const MODES: Readonly<Record<Mode, string>> = { create: "c", force: "f", check: "d" };

/** `<number>|<when>|<request id>` as ENQUEUE reads it; the number alone for a job that is ready now, without one. */
function headOf({ id, delayMs, runAfter, requestId = "" }: NewJob): string {
  const number = numberOf(id);
  if (runAfter !== undefined) return `${number}|=${runAfter}|${requestId}`;
  return !delayMs && requestId === "" ? number : `${number}|+${delayMs ?? 0}|${requestId}`;
}
