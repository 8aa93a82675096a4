import type { JobKey, KeyPage, ListDeadQuery, ListPage, ListQuery, RowOutcome } from "../../../core/backend.js";
import { jobNotFound, jobStateConflict, pageTokenInvalid, queueNotFound } from "../../../model/errors.js";
import { isId } from "../../../model/ids.js";
import type { Job, JobStatus } from "../../../model/job.js";
import { LIMITS } from "../../../model/limits.js";
import { idKey, readJob, statusDigits, statusOf } from "../layout/codec.js";
import type { Arg, Reply } from "../link/connection.js";
import type { JobQueueCache } from "../queues/job-queue-cache.js";
import { type QueueCalls, type ScriptName, text } from "../queues/queue-calls.js";

/** Most jobs of one script call. */
const BATCH = 250;

/** Most jobs that one script call examines for a listing. */
const LIST_PART = 500;

/** Number of values that describe a job in an answer: id, spec, state, errors, result. */
const JOB_PARTS = 5;

/** What a listing answers of each job. */
interface Form<T> {
  /** Tells it to the script. */
  readonly flag: "" | "K";
  /** Number of values that make one. */
  readonly parts: number;
  readonly read: (queue: string, parts: readonly Reply[]) => T;
}

interface Found<T> {
  readonly found: readonly T[];
  readonly next: string | undefined;
}

/** Dependencies of the operations on jobs. */
export interface JobsDeps {
  readonly calls: QueueCalls;
  readonly jobQueues: JobQueueCache;
  /** Names of all queues, as last read. */
  readonly queues: () => readonly string[];
  /** Reads the names of the queues again. */
  readonly refreshQueues: () => Promise<unknown>;
}

/**
 * Reads and changes jobs by their ids. An id does not tell its queue: when the cache does not know it, every queue is
 * asked in parallel, still in one round trip, and the one that has the job answers.
 */
export class Jobs {
  readonly #deps: JobsDeps;
  readonly #jobs: Form<Job> = { flag: "", parts: JOB_PARTS, read: (queue, parts) => this.#read(queue, parts) };
  readonly #keys: Form<JobKey> = { flag: "K", parts: 2, read: (queue, parts) => this.#readKey(queue, parts) };

  constructor(deps: JobsDeps) {
    this.#deps = deps;
  }

  /** Jobs in the order of the ids; undefined where there is none. `hint`: the queue they are probably in. */
  async get(ids: readonly string[], hint?: string): Promise<(Job | undefined)[]> {
    const found = new Map<string, Job>();
    const take = (queue: string, _asked: readonly string[], rest: readonly Reply[]) => {
      for (let at = 0; at < rest.length; at += JOB_PARTS) {
        const job = this.#read(queue, rest.slice(at, at + JOB_PARTS));
        found.set(job.id, job);
      }
    };
    const isQueue = hint !== undefined && this.#deps.queues().includes(hint);
    await this.#ask("get", ids, [], take, isQueue ? hint : undefined);
    const missing = isQueue ? ids.filter((id) => !found.has(id)) : [];
    if (missing.length > 0) await this.#ask("get", missing, [], take);
    return ids.map((id) => found.get(id));
  }

  async cancel(id: string): Promise<Job> {
    let job: Job | undefined;
    let status: JobStatus | undefined;
    await this.#ask("cancel", [id], [], (queue, _asked, [code, ...rest]) => {
      if (typeof code === "number") status = statusOf(code);
      else if (text(code) === "A") job = this.#read(queue, rest);
    });
    if (status !== undefined) throw jobStateConflict(id, status, "PENDING or RUNNING");
    if (job === undefined) throw jobNotFound(id);
    return job;
  }

  replay(ids: readonly string[]): Promise<RowOutcome[]> {
    return this.#rows("replay", ids, []);
  }

  remove(ids: readonly string[], statuses: readonly JobStatus[]): Promise<RowOutcome[]> {
    return this.#rows("remove", ids, [statusDigits(statuses)]);
  }

  async list(query: ListQuery): Promise<ListPage> {
    const { found, next } = await this.#list(query, this.#jobs);
    return { jobs: found, next };
  }

  async listKeys(query: ListQuery): Promise<KeyPage> {
    const { found, next } = await this.#list(query, this.#keys);
    return { keys: found, next };
  }

  async listDead(query: ListDeadQuery): Promise<ListPage> {
    const { found, next } = await this.#listDead(query, this.#jobs);
    return { jobs: found, next };
  }

  async listDeadKeys(query: ListDeadQuery): Promise<KeyPage> {
    const { found, next } = await this.#listDead(query, this.#keys);
    return { keys: found, next };
  }

  async #list<T>(query: ListQuery, form: Form<T>): Promise<Found<T>> {
    const { queue, statuses, type = "", after, limit, maxBytes = Number.MAX_SAFE_INTEGER } = query;
    if (after !== undefined && !isId(after)) throw pageTokenInvalid();
    return this.#page(query, form, (last, part, taken, bytes) => {
      const from = last ?? after;
      const start = from === undefined ? "" : idKey(from);
      const args = [start, part, limit, maxBytes - bytes, statusDigits(statuses), type, taken, form.flag];
      return this.#deps.calls.call("list", queue, args);
    });
  }

  async #listDead<T>(query: ListDeadQuery, form: Form<T>): Promise<Found<T>> {
    const { queue, type = "", after, limit, maxBytes = Number.MAX_SAFE_INTEGER, order } = query;
    if (after !== undefined && !/^\d{1,16}-\d{1,20}$/.test(after)) throw pageTokenInvalid();
    return this.#page(query, form, (last, part, taken, bytes) => {
      const [at = "", id = ""] = (last ?? after ?? "").split("-");
      const start = id === "" ? "" : idKey(id);
      const args = [order[0] ?? "N", at, start, part, limit, maxBytes - bytes, type, taken, form.flag];
      return this.#deps.calls.call("listDead", queue, args);
    });
  }

  /** Reads a page in parts, until it is full, the listing ends, or `scan` jobs were examined. */
  async #page<T>(
    { queue, scan = LIMITS.scan }: { readonly queue: string; readonly scan?: number | undefined },
    form: Form<T>,
    read: (last: string | undefined, part: number, taken: number, bytes: number) => Promise<{ rest: readonly Reply[] }>,
  ): Promise<Found<T>> {
    const found: T[] = [];
    let examined = 0;
    let bytes = 0;
    let last: string | undefined;
    for (;;) {
      const part = Math.min(LIST_PART, scan - examined);
      const { rest } = await read(last, part, found.length, bytes);
      const [end, count, end2, size, ...values] = rest;
      if (typeof end !== "number") throw queueNotFound(queue);
      for (let at = 0; at < values.length; at += form.parts) {
        found.push(form.read(queue, values.slice(at, at + form.parts)));
      }
      examined += Number(count);
      bytes += Number(size);
      last = text(end2) || last;
      if (end < 0) return { found, next: undefined };
      if (end > 0 || examined >= scan) return { found, next: last };
    }
  }

  async #rows(name: "replay" | "remove", ids: readonly string[], args: readonly Arg[]): Promise<RowOutcome[]> {
    const found = new Map<string, RowOutcome[]>();
    await this.#ask(name, ids, args, (queue, asked, rest) => {
      let at = 0;
      for (const id of asked) {
        const code = rest[at++];
        const isApplied = code instanceof Buffer && text(code) === "A";
        if (code instanceof Buffer && !isApplied) continue;
        const row: RowOutcome = isApplied
          ? { outcome: "APPLIED", job: this.#read(queue, rest.slice(at, at + JOB_PARTS)) }
          : { outcome: "CONFLICT", status: statusOf(Number(code)) };
        if (isApplied) at += JOB_PARTS;
        found.set(id, [...(found.get(id) ?? []), row]);
      }
    });
    // An id that was given twice gets two outcomes, in order.
    return ids.map((id) => found.get(id)?.shift() ?? { outcome: "NOT_FOUND" });
  }

  /** Calls a script in the queue of each id; in every queue for ids of unknown queue, or in `hint` alone if given. */
  async #ask(
    name: ScriptName,
    ids: readonly string[],
    args: readonly Arg[],
    take: (queue: string, asked: readonly string[], rest: readonly Reply[]) => void,
    hint?: string,
  ): Promise<void> {
    const { jobQueues, queues, refreshQueues } = this.#deps;
    const byQueue = new Map<string, string[]>();
    const put = (queue: string, id: string) => {
      const list = byQueue.get(queue);
      if (list === undefined) byQueue.set(queue, [id]);
      else list.push(id);
    };
    const all = queues();
    for (const id of ids) {
      const queue = jobQueues.of(id) ?? hint;
      if (queue !== undefined) put(queue, id);
      else for (const each of all) put(each, id);
    }
    await this.#send(name, byQueue, args, take);
    // The job may be in a new queue, created by another server, that is not yet in our list.
    const missing = hint === undefined ? ids.filter((id) => jobQueues.of(id) === undefined) : [];
    if (missing.length === 0) return;
    await refreshQueues();
    const known = new Set(all);
    const made = queues().filter((queue) => !known.has(queue));
    await this.#send(name, new Map(made.map((queue) => [queue, missing])), args, take);
  }

  async #send(
    name: ScriptName,
    byQueue: ReadonlyMap<string, readonly string[]>,
    args: readonly Arg[],
    take: (queue: string, asked: readonly string[], rest: readonly Reply[]) => void,
  ): Promise<void> {
    await Promise.all(
      [...byQueue].map(async ([queue, list]) => {
        for (let from = 0; from < list.length; from += BATCH) {
          const asked = list.slice(from, from + BATCH);
          const { rest } = await this.#deps.calls.call(name, queue, [...args, ...asked]);
          take(queue, asked, rest);
        }
      }),
    );
  }

  #readKey(queue: string, [key, bytes]: readonly Reply[]): JobKey {
    const name = text(key);
    this.#deps.jobQueues.note(name.slice(name.indexOf("-") + 1), queue);
    return { key: name, bytes: Number(bytes) };
  }

  #read(queue: string, parts: readonly Reply[]): Job {
    const job = readJob(queue, parts as readonly Buffer[]);
    this.#deps.jobQueues.note(job.id, queue);
    return job;
  }
}
