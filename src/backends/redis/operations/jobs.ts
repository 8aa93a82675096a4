import type { JobKey, KeyPage, ListDeadQuery, ListPage, ListQuery, RowOutcome } from "../../../core/backend.js";
import { jobNotFound, jobStateConflict, pageTokenInvalid, queueNotFound } from "../../../model/errors.js";
import { numberOf, queueOf } from "../../../model/ids.js";
import type { Job, JobStatus } from "../../../model/job.js";
import { LIMITS } from "../../../model/limits.js";
import { idKey, placeKey, readJob, statusDigits, statusOf } from "../layout/codec.js";
import type { Arg, Reply } from "../link/connection.js";
import { type QueueCalls, type ScriptName, text } from "../queues/queue-calls.js";

/** Most jobs of one script call. */
const BATCH = 250;

/** Most jobs that one script call examines for a listing. */
const LIST_PART = 500;

/** The key of a job in a listing; see `JobKey`. */
const JOB_KEY = /^\d{1,16}-\d{1,20}$/;

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

const JOBS: Form<Job> = { flag: "", parts: JOB_PARTS, read };

const KEYS: Form<JobKey> = {
  flag: "K",
  parts: 2,
  read: (_queue, [key, bytes]) => ({ key: text(key), bytes: Number(bytes) }),
};

interface Found<T> {
  readonly found: readonly T[];
  readonly next: string | undefined;
}

/** Reads and changes jobs by their ids, each in the queue that its id names. */
export class Jobs {
  readonly #calls: QueueCalls;

  constructor(calls: QueueCalls) {
    this.#calls = calls;
  }

  /** Jobs in the order of the ids; undefined where there is none. */
  async get(ids: readonly string[]): Promise<(Job | undefined)[]> {
    const found = new Map<string, Job>();
    await this.#ask("get", ids, [], (queue, _asked, rest) => {
      for (let at = 0; at < rest.length; at += JOB_PARTS) {
        const job = read(queue, rest.slice(at, at + JOB_PARTS));
        found.set(job.id, job);
      }
    });
    return ids.map((id) => found.get(id));
  }

  async cancel(id: string): Promise<Job> {
    let job: Job | undefined;
    let status: JobStatus | undefined;
    await this.#ask("cancel", [id], [], (queue, _asked, [code, ...rest]) => {
      if (typeof code === "number") status = statusOf(code);
      else if (text(code) === "A") job = read(queue, rest);
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
    const { found, next } = await this.#list(query, JOBS);
    return { jobs: found, next };
  }

  async listKeys(query: ListQuery): Promise<KeyPage> {
    const { found, next } = await this.#list(query, KEYS);
    return { keys: found, next };
  }

  async listDead(query: ListDeadQuery): Promise<ListPage> {
    const { found, next } = await this.#listDead(query, JOBS);
    return { jobs: found, next };
  }

  async listDeadKeys(query: ListDeadQuery): Promise<KeyPage> {
    const { found, next } = await this.#listDead(query, KEYS);
    return { keys: found, next };
  }

  async #list<T>(query: ListQuery, form: Form<T>): Promise<Found<T>> {
    const { queue, statuses, type = "", after, limit, maxBytes = Number.MAX_SAFE_INTEGER } = query;
    if (after !== undefined && !JOB_KEY.test(after)) throw pageTokenInvalid();
    return this.#page(query, form, (last, part, taken, bytes) => {
      const [at = "", number = ""] = (last ?? after ?? "").split("-");
      const start = number === "" ? "" : placeKey(Number(at), number);
      const args = [start, part, limit, maxBytes - bytes, statusDigits(statuses), type, taken, form.flag];
      return this.#calls.call("list", queue, args);
    });
  }

  async #listDead<T>(query: ListDeadQuery, form: Form<T>): Promise<Found<T>> {
    const { queue, type = "", after, limit, maxBytes = Number.MAX_SAFE_INTEGER, order } = query;
    if (after !== undefined && !JOB_KEY.test(after)) throw pageTokenInvalid();
    return this.#page(query, form, (last, part, taken, bytes) => {
      const [at = "", id = ""] = (last ?? after ?? "").split("-");
      const start = id === "" ? "" : idKey(id);
      const args = [order[0] ?? "N", at, start, part, limit, maxBytes - bytes, type, taken, form.flag];
      return this.#calls.call("listDead", queue, args);
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
    // Replayed jobs are answered too.
    const parts = name === "replay" ? JOB_PARTS : 0;
    await this.#ask(name, ids, args, (queue, asked, rest) => {
      let at = 0;
      for (const id of asked) {
        const code = rest[at++];
        const isApplied = code instanceof Buffer && text(code) === "A";
        if (code instanceof Buffer && !isApplied) continue;
        const row: RowOutcome = isApplied
          ? { outcome: "APPLIED", job: readKept(queue, rest.slice(at, at + parts)) }
          : { outcome: "CONFLICT", status: statusOf(Number(code)) };
        if (isApplied) at += parts;
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
      [...byQueue(ids)].map(async ([queue, list]) => {
        for (let from = 0; from < list.length; from += BATCH) {
          const asked = list.slice(from, from + BATCH);
          const { rest } = await this.#calls.call(name, queue, [...args, ...asked.map(numberOf)]);
          take(queue, asked, rest);
        }
      }),
    );
  }
}

function byQueue(ids: readonly string[]): Map<string, string[]> {
  const queues = new Map<string, string[]>();
  for (const id of ids) {
    const queue = queueOf(id);
    const list = queues.get(queue);
    if (list === undefined) queues.set(queue, [id]);
    else list.push(id);
  }
  return queues;
}

/** The job; undefined when it is gone, or was not answered. */
function readKept(queue: string, parts: readonly Reply[]): Job | undefined {
  const spec = parts[1];
  return spec instanceof Buffer && spec.length > 0 ? read(queue, parts) : undefined;
}

function read(queue: string, parts: readonly Reply[]): Job {
  return readJob(queue, parts as readonly Buffer[]);
}
