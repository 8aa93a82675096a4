import type { RowOutcome } from "../../../core/backend.js";
import type { BulkAction } from "../../../core/port/listing.js";
import type { JobUpdate } from "../../../core/port/new-jobs.js";
import { byQueue } from "../../../core/stores/by-queue.js";
import type { StoreMatch } from "../../../core/stores/job-matcher.js";
import { jobNotFound, jobStateConflict, runsTooLate } from "../../../model/common/errors.js";
import { type Job, type JobStatus, jobBytes } from "../../../model/job/job.js";
import type { JobView } from "../../../model/job/job-filter.js";
import { jobIdOf, numberOf, queueOf } from "../../../model/queue/ids.js";
import { payloadKind, readJob, statusDigits, writePayload } from "../layout/codec.js";
import { statusOf } from "../layout/codec-state.js";
import type { Arg, Reply } from "../link/connection.js";
import { type QueueCalls, type ScriptName, text } from "../queues/queue-calls.js";
import { filterText, numbersIn } from "./filter-text.js";

/** Most jobs of one script call. */
const BATCH = 250;

/** Bytes of jobs after which one script call that reads them takes no more. */
const BATCH_BYTES = 4 * 2 ** 20;

/** The same where each is changed after it was looked at. */
const ACT_BATCH = 150;

/** Number of values that describe a job in an answer: id, spec, state, errors, result, what it waits for. */
const JOB_PARTS = 6;

/** Reads and changes jobs by their ids, each in the queue that its id names. */
export class Jobs {
  readonly #calls: QueueCalls;

  constructor(calls: QueueCalls) {
    this.#calls = calls;
  }

  /** Jobs in the order of the ids; undefined where there is none. `maxBytes`: see the port. */
  async get(
    ids: readonly string[],
    view: JobView = "FULL",
    maxBytes = Number.POSITIVE_INFINITY,
  ): Promise<(Job | undefined)[]> {
    const found = new Map<string, Job>();
    const scriptBytes = Math.min(BATCH_BYTES, maxBytes);
    let end = ids.length;
    await Promise.all(
      [...byQueue(ids, (id) => id)].map(async ([queue, list]) => {
        const numbers = list.map(numberOf);
        let from = 0;
        let bytes = 0;
        while (from < numbers.length && from < end) {
          const asked = numbers.slice(from, from + BATCH);
          const { rest } = await this.#calls.call("get", queue, [view === "BASIC" ? "B" : "", scriptBytes, ...asked]);
          for (let at = 1; at < rest.length; at += JOB_PARTS) {
            const job = read(queue, rest.slice(at, at + JOB_PARTS));
            found.set(job.id, job);
            if (maxBytes !== Number.POSITIVE_INFINITY) bytes += jobBytes(job);
          }
          from += Number(rest[0]);
          if (bytes >= maxBytes) end = from;
        }
      }),
    );
    return ids.slice(0, end).map((id) => found.get(id));
  }

  cancel(id: string): Promise<Job> {
    return this.#one("cancel", id, "PENDING or RUNNING");
  }

  run(id: string): Promise<Job> {
    return this.#one("run", id, "PENDING");
  }

  update(id: string, changes: JobUpdate): Promise<Job> {
    const { priority = "", runAfter, delayMs, payload } = changes;
    const when = runAfter !== undefined ? `=${runAfter}` : delayMs === undefined ? "" : `+${delayMs}`;
    if (payload === undefined) return this.#one("revise", id, "PENDING", [priority, when, ""]);
    const given = payload ?? undefined;
    return this.#one("revisePayload", id, "PENDING", [priority, when, payloadKind(given), writePayload(given)]);
  }

  /** Calls a script that answers one job, or the status that does not allow what it does. */
  async #one(
    name: "cancel" | "run" | "revise" | "revisePayload",
    id: string,
    allowed: string,
    args: readonly Arg[] = [],
  ): Promise<Job> {
    const queue = queueOf(id);
    const { rest } = await this.#calls.call(name, queue, [numberOf(id), ...args]);
    const [code, ...parts] = rest;
    if (typeof code === "number") throw jobStateConflict(id, statusOf(code), allowed);
    if (text(code) === "X") throw runsTooLate(String(args[1]).startsWith("=") ? "runAfter" : "delay");
    const job = text(code) === "A" ? readKept(queue, parts) : undefined;
    if (job === undefined) throw jobNotFound(id);
    return job;
  }

  replay(ids: readonly string[]): Promise<RowOutcome[]> {
    return this.#rows("replay", ids, []);
  }

  remove(ids: readonly string[], statuses: readonly JobStatus[]): Promise<RowOutcome[]> {
    return this.#rows("remove", ids, [statusDigits(statuses)]);
  }

  /** Changes those of these jobs that match; resolves to how many. */
  async act(action: BulkAction, ids: readonly string[], match: StoreMatch): Promise<number> {
    let count = 0;
    await Promise.all(
      [...byQueue(ids, (id) => id)].map(async ([queue, list]) => {
        const numbers = numbersIn(queue, list);
        const filter = filterText(queue, match);
        for (let from = 0; from < numbers.length; from += ACT_BATCH) {
          const args = [filter, action[0] ?? "", ...numbers.slice(from, from + ACT_BATCH)];
          const { rest } = await this.#calls.call("act", queue, args);
          count += Number(rest[0]);
        }
      }),
    );
    return count;
  }

  async #rows(name: "replay" | "remove", ids: readonly string[], args: readonly Arg[]): Promise<RowOutcome[]> {
    const found = new Map<string, RowOutcome[]>();
    // Replayed jobs are answered too.
    const parts = name === "replay" ? JOB_PARTS : 0;
    await this.#ask(name, ids, args, (queue, asked, rest) => {
      let at = 0;
      for (const id of asked) {
        const code = rest[at++];
        const answer = text(code);
        if (answer === "N") continue;
        let row: RowOutcome = { outcome: "CONFLICT", status: statusOf(answer) };
        if (answer.startsWith("K")) row = { outcome: "KEY_HELD", by: jobIdOf(queue, answer.slice(1)) };
        else if (answer === "A") {
          row = { outcome: "APPLIED", job: readKept(queue, rest.slice(at, at + parts)) };
          at += parts;
        }
        found.set(id, [...(found.get(id) ?? []), row]);
      }
    });
    // An id that was given twice gets two outcomes, in order.
    return ids.map((id) => found.get(id)?.shift() ?? { outcome: "NOT_FOUND" });
  }

  /** Calls a script in the queue of each id. */
  async #ask(
    name: ScriptName,
    ids: readonly string[],
    args: readonly Arg[],
    take: (queue: string, asked: readonly string[], rest: readonly Reply[]) => void,
  ): Promise<void> {
    await Promise.all(
      [...byQueue(ids, (id) => id)].map(async ([queue, list]) => {
        for (let from = 0; from < list.length; from += BATCH) {
          const asked = list.slice(from, from + BATCH);
          const { rest } = await this.#calls.call(name, queue, [...args, ...asked.map(numberOf)]);
          take(queue, asked, rest);
        }
      }),
    );
  }
}

/** The job; undefined when it is gone, or was not answered. */
function readKept(queue: string, parts: readonly Reply[]): Job | undefined {
  const spec = parts[1];
  return spec instanceof Buffer && spec.length > 0 ? read(queue, parts) : undefined;
}

function read(queue: string, parts: readonly Reply[]): Job {
  return readJob(queue, parts as readonly Buffer[]);
}
