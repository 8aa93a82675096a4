import type {
  CountPage,
  CountQuery,
  GroupPage,
  JobKey,
  KeyPage,
  ListDeadQuery,
  ListPage,
  ListQuery,
} from "../../../core/port/listing.js";
import { isCostly, type StoreMatch } from "../../../core/stores/job-matcher.js";
import { pageTokenInvalid, queueNotFound } from "../../../model/common/errors.js";
import { LIMITS } from "../../../model/common/limits.js";
import type { Job } from "../../../model/job/job.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import { idKey, placeKey, readJob } from "../layout/codec.js";
import type { Arg, Reply } from "../link/connection.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import { filterText } from "./filter-text.js";

/** Most jobs that one script call examines: some ms of Redis. */
const PART = 500;

/** The same where more than a few bytes of each are read, or each is answered. */
const COSTLY_PART = 250;

/** Jobs that a count examines at the most. */
const COUNT_SCAN = 5000;

/** The key of a job in a listing; see `JobKey`. */
const JOB_KEY = /^\d{1,16}-\d{1,20}$/;

/** The largest time that a place can have, ms since 1970. */
const MAX_PLACE = 16 ** 11 - 1;

/** What a listing answers of each job, or of each group. */
interface Form<T> {
  /** Tells it to the script. */
  readonly flag: "J" | "B" | "K" | "C" | "G";
  /** Number of values that make one. */
  readonly parts: number;
  readonly read: (queue: string, parts: readonly Reply[]) => T;
}

const read = (queue: string, parts: readonly Reply[]) => readJob(queue, parts as readonly Buffer[]);

const JOBS: Form<Job> = { flag: "J", parts: 6, read };
const BASIC: Form<Job> = { flag: "B", parts: 6, read };
const KEYS: Form<JobKey> = {
  flag: "K",
  parts: 2,
  read: (_queue, [key, bytes]) => ({ key: text(key), bytes: Number(bytes) }),
};
const NONE: Form<never> = {
  flag: "C",
  parts: 1,
  read() {
    throw new Error("a count answered a job");
  },
};
const GROUPS: Form<GroupPage["groups"][number]> = {
  flag: "G",
  parts: 5,
  read: (queue, [type, error, count, number, at]) => ({
    type: text(type),
    error: text(error),
    count: Number(count),
    sampleId: jobIdOf(queue, text(number)),
    lastDiedAt: Number(text(at)),
  }),
};

interface Found<T> {
  readonly found: readonly T[];
  readonly count: number;
  readonly examined: number;
  readonly next: string | undefined;
}

/** Lists and counts the jobs of a queue that match a filter, in calls of scripts that examine a bounded part each. */
export class Listings {
  readonly #calls: QueueCalls;

  constructor(calls: QueueCalls) {
    this.#calls = calls;
  }

  async list(query: ListQuery): Promise<ListPage> {
    const { found, next } = await this.#page(query, formOf(query), false);
    return { jobs: found, next };
  }

  async listKeys(query: ListQuery): Promise<KeyPage> {
    const { found, next } = await this.#page(query, KEYS, false);
    return { keys: found, next };
  }

  async listDead(query: ListDeadQuery): Promise<ListPage> {
    const { found, next } = await this.#page(query, formOf(query), true);
    return { jobs: found, next };
  }

  async listDeadKeys(query: ListDeadQuery): Promise<KeyPage> {
    const { found, next } = await this.#page(query, KEYS, true);
    return { keys: found, next };
  }

  async count(query: CountQuery): Promise<CountPage> {
    const { count, examined, next } = await this.#page(forCount(query), NONE, query.isDead);
    return { count, examined, next };
  }

  async groupDead(query: CountQuery): Promise<GroupPage> {
    // Two parts of a page may have jobs of the same group; whoever adds up pages adds these up too.
    const { found, count, examined, next } = await this.#page(forCount(query), GROUPS, true);
    return { groups: found, count, examined, next };
  }

  /** Reads a page in parts, until it is full, the listing ends, or `scan` jobs were examined. */
  async #page<T>(query: ListQuery, form: Form<T>, isDead: boolean): Promise<Found<T>> {
    const { queue, after, limit, scan = LIMITS.scan, maxBytes = Number.MAX_SAFE_INTEGER, order = "NEWEST" } = query;
    if (after !== undefined && !JOB_KEY.test(after)) throw pageTokenInvalid();
    const filter = filterText(queue, query);
    const isLooked = isCostly(query) || (query.pendingStates ?? []).length > 0;
    const most = isLooked || form.flag === "G" || form.flag === "B" ? COSTLY_PART : PART;
    const found: T[] = [];
    let count = 0;
    let examined = 0;
    let bytes = 0;
    let last = after;
    for (;;) {
      const part = Math.min(most, scan - examined);
      const common = [filter, order[0] ?? "N", part, limit, maxBytes - bytes, count, form.flag];
      const bounds = isDead ? deadBounds(query, last) : placeBounds(query, last);
      const { rest } = await this.#calls.call(isDead ? "listDead" : "list", queue, [...common, ...bounds], {
        examines: part,
      });
      const [end, seen, key, size, matching, ...values] = rest;
      if (typeof end !== "number") throw queueNotFound(queue);
      for (let at = 0; at < values.length; at += form.parts) {
        found.push(form.read(queue, values.slice(at, at + form.parts)));
      }
      count += Number(matching);
      examined += Number(seen);
      bytes += Number(size);
      last = text(key) || last;
      if (end < 0) return { found, count, examined, next: undefined };
      if (end > 0 || examined >= scan) return { found, count, examined, next: last };
    }
  }
}

function formOf({ view }: ListQuery): Form<Job> {
  return view === "BASIC" ? BASIC : JOBS;
}

function forCount(query: CountQuery): ListQuery {
  return { ...query, limit: Number.MAX_SAFE_INTEGER, scan: Math.min(query.scan ?? COUNT_SCAN, COUNT_SCAN) };
}

/** The bounds of a listing by creation: members of `index`, the lower one first. */
function placeBounds({ order, createdAfter, createdBefore }: StoreMatch & ListQuery, last: string | undefined): Arg[] {
  let from = createdAfter === undefined ? "-" : `[${timeOf(createdAfter)}`;
  let to = createdBefore === undefined ? "+" : `(${timeOf(createdBefore)}`;
  const [at = "", number = ""] = (last ?? "").split("-");
  if (number !== "") {
    const place = placeKey(Math.min(Number(at), MAX_PLACE), number);
    // Members go on with a colon: a semicolon is behind all of them.
    if (order === "OLDEST") from = `(${place};`;
    else to = `(${place}`;
  }
  return [from, to];
}

/** The start of a place. */
function timeOf(at: number): string {
  const ms = Math.min(Math.max(0, Math.ceil(at)), MAX_PLACE);
  return ms.toString(16).padStart(11, "0");
}

/** The time of death and the id of the last one, and the bounds of the times, the lower one first. */
function deadBounds({ order, finishedAfter, finishedBefore }: ListQuery, last: string | undefined): Arg[] {
  const [at = "", number = ""] = (last ?? "").split("-");
  let from = finishedAfter === undefined ? "-inf" : String(finishedAfter);
  let to = finishedBefore === undefined ? "+inf" : `(${finishedBefore}`;
  if (number !== "") {
    if (order === "OLDEST") from = at;
    else to = at;
  }
  return [at, number === "" ? "" : idKey(number), from, to];
}
