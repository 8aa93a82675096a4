import type { EnqueueResult, NewJob } from "../../../core/port/new-jobs.js";
import { givenByQueue, type QueueDefaults } from "../../../core/port/queue-defaults.js";
import type { Firing, FiringResult } from "../../../core/port/schedule-store.js";
import { jobExists, queueFull, queueNotFound, requestIdReused } from "../../../model/common/errors.js";
import { jobIdOf, numberOf } from "../../../model/queue/ids.js";
import { readCreated, readJob, writeSpec, writeUnique } from "../layout/codec.js";
import { firingText } from "../layout/codec-schedule.js";
import { readDefaultBackoff } from "../layout/saved-backoff.js";
import { Coalescers } from "../link/coalescer.js";
import type { Arg, Reply } from "../link/connection.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import { NEEDED } from "../scripts/enqueue.js";

/** Most jobs of one shared script call: with these it runs for some ms. */
const BATCH = 1000;

/** Most jobs with a unique key in one script call: each may have to replace another. */
const UNIQUE_PART = 200;

/** Most jobs with a key in one script call: each may begin a line. */
const KEYED_PART = 400;

/** Most bytes of one that several creates share. */
const BATCH_BYTES = 4 * 2 ** 20;

/** Values of each job that was created before: its position, `created`, and five of the job. */
const OLD_PARTS = 7;

/** `create`: if the jobs fit max_depth; `force`: whatever the depth; `check`: only check whether they fit. */
type Mode = "create" | "force" | "check";

interface Group {
  readonly mode: Mode;
  /** Whether the queue may need features from now on. */
  readonly mayNeed: boolean;
  readonly jobs: readonly NewJob[];
  /** What the schedule does that makes them; undefined: a caller does. */
  readonly firing?: Firing | undefined;
}

/** What belongs to jobs of one caller. */
interface Asked {
  /** Where the jobs stand in the batch, if not just so. */
  readonly places?: readonly number[] | undefined;
  /** As in `Group`. */
  readonly mayNeed?: boolean;
  readonly firing?: Firing | undefined;
}

/** Why a schedule makes no jobs. */
type Refusal = "STALE" | "SKIPPED";

interface GroupAnswer {
  readonly now: number;
  /** What ENQUEUE answers of the group. */
  readonly answer: string | readonly Reply[];
  /** What the queue gave its jobs, if anything. */
  readonly defaults: QueueDefaults | undefined;
}

/** Creates jobs. Concurrent creates in one queue share a script call. */
export class Creates {
  readonly #calls: QueueCalls;
  readonly #queues = new Coalescers<Group, GroupAnswer>({ size: BATCH, bytes: BATCH_BYTES });
  /** What schedules make. */
  readonly #fires = new Coalescers<Group, GroupAnswer>({ size: BATCH, bytes: BATCH_BYTES });

  readonly #checkFeatures: (queue: string, needed: readonly string[]) => Promise<void>;

  /** `checkFeatures` throws UPGRADE_REQUIRED when a live server lacks one of the features. */
  constructor(calls: QueueCalls, checkFeatures: (queue: string, needed: readonly string[]) => Promise<void>) {
    this.#calls = calls;
    this.#checkFeatures = checkFeatures;
  }

  /** Creates all of the jobs or none; resolves to results in their order. QUEUE_NOT_FOUND, QUEUE_FULL. */
  enqueue(jobs: readonly NewJob[]): Promise<EnqueueResult[]> {
    const [first] = jobs;
    if (first === undefined) return Promise.resolve([]);
    const isOne = jobs.every(({ queue }) => queue === first.queue) && workOf(jobs) <= BATCH;
    return isOne ? this.#create(first.queue, jobs, "create") : this.#createInParts(jobs);
  }

  async #createInParts(jobs: readonly NewJob[]): Promise<EnqueueResult[]> {
    const byQueue = new Map<string, { jobs: NewJob[]; places: number[] }>();
    jobs.forEach((job, place) => {
      const group = byQueue.get(job.queue);
      if (group === undefined) byQueue.set(job.queue, { jobs: [job], places: [place] });
      else {
        group.jobs.push(job);
        group.places.push(place);
      }
    });
    // A script touches one queue only, and a bounded number of jobs with keys or unique ones, so all is checked before jobs are created in each.
    // Another server may fill a queue in between: it then holds a little more than max_depth for a while.
    await Promise.all([...byQueue].map(([queue, { jobs, places }]) => this.#create(queue, jobs, "check", places)));
    const results: EnqueueResult[] = new Array(jobs.length);
    await Promise.all(
      [...byQueue].map(async ([queue, group]) => {
        const created: EnqueueResult[] = [];
        for (const part of partsOf(group.jobs)) created.push(...(await this.#create(queue, part, "force")));
        group.places.forEach((place, at) => {
          results[place] = created[at] as EnqueueResult;
        });
      }),
    );
    return results;
  }

  /** Creates the jobs of a schedule, if it is as it was read, and moves it on, in one step. */
  async fire(firing: Firing): Promise<FiringResult> {
    const results = await this.#ask(firing.queue, firing.jobs, "create", { firing });
    return typeof results === "string" ? { outcome: results } : { outcome: "FIRED", results };
  }

  /** `places`: where the jobs stand in the batch, if not just so. */
  #create(queue: string, jobs: readonly NewJob[], mode: Mode, places?: readonly number[]): Promise<EnqueueResult[]> {
    // What is asked for no schedule is not refused as such.
    return this.#ask(queue, jobs, mode, { places }) as Promise<EnqueueResult[]>;
  }

  /** Resolves to what came of the jobs, or why a schedule makes none. */
  #ask(queue: string, jobs: readonly NewJob[], mode: Mode, asked: Asked): Promise<EnqueueResult[] | Refusal> {
    const { mayNeed = false, firing } = asked;
    const queues = firing === undefined ? this.#queues : this.#fires;
    const send = (groups: readonly Group[]) => this.#send(queue, groups);
    const group = { mode, mayNeed, jobs, firing };
    return queues
      .add(queue, send, group, workOf(jobs), bytesOf(jobs))
      .then((answer) => this.#read(queue, jobs, mode, asked, answer));
  }

  #read(
    queue: string,
    jobs: readonly NewJob[],
    mode: Mode,
    asked: Asked,
    { now, answer, defaults }: GroupAnswer,
  ): EnqueueResult[] | Promise<EnqueueResult[] | Refusal> | Refusal {
    const { places, firing } = asked;
    if (typeof answer === "string") {
      if (firing !== undefined && answer === "M") return "STALE";
      if (firing !== undefined && answer === "K") return "SKIPPED";
      if (answer === "N") throw queueNotFound(queue);
      if (answer === "U") {
        const needed = neededBy(jobs).map((letter) => NEEDED[letter]);
        return this.#checkFeatures(queue, needed).then(() => this.#ask(queue, jobs, mode, { ...asked, mayNeed: true }));
      }
      if (answer.startsWith("E")) throw held(queue, jobs, answer, places);
      const number = Number(answer.slice(1));
      throw answer.startsWith("R") ? requestIdReused(places?.[number] ?? number) : queueFull(queue, number);
    }
    const results = jobs.map((job): EnqueueResult => {
      const runAfter = job.runAfter ?? now + (job.delayMs ?? 0);
      const given = defaults && givenByQueue(job, defaults, now);
      return { id: job.id, deduplicated: false, createdAt: now, runAfter, given };
    });
    for (let at = 0; at < answer.length; at += OLD_PARTS) {
      const [place, created, ...parts] = answer.slice(at, at + OLD_PARTS) as Buffer[];
      const existing = parts[1]?.length === 0 ? undefined : readJob(queue, parts);
      const id = jobIdOf(queue, text(parts[0]));
      results[Number(place)] = { id, deduplicated: true, existing, ...readCreated(text(created)) };
    }
    return results;
  }

  #send(queue: string, groups: readonly Group[]): Promise<GroupAnswer[]> {
    const args: Arg[] = [];
    let script: "enqueue" | "enqueueUnique" | "fire" = "enqueue";
    for (const { mode, mayNeed, jobs, firing } of groups) {
      const hasRequests = jobs.some(({ requestId }) => requestId !== undefined);
      const needed = neededBy(jobs);
      const flags = (hasRequests ? "r" : "") + needed.join("") + (mayNeed ? "s" : "");
      args.push(MODES[mode] + flags + openText(jobs), jobs.length);
      if (firing !== undefined) {
        script = "fire";
        args.push(firingText(firing));
      } else if (needed.includes("u")) script = "enqueueUnique";
      for (const job of jobs) {
        args.push(headOf(job), writeSpec(job));
        if (needed.includes("u")) args.push(writeUnique(job));
      }
    }
    const callers = groups.length;
    return this.#calls
      .call(script, queue, [callers, ...args], { callers })
      .then(({ now, rest }) => readGroups(now, rest, callers));
  }
}

/** Reads what ENQUEUE answers of so many groups. */
function readGroups(now: number, rest: readonly Reply[], groups: number): GroupAnswer[] {
  const defaults = rest.length > groups ? readDefaults(text(rest[groups])) : undefined;
  return rest.slice(0, groups).map((reply) => ({
    now,
    defaults,
    answer: reply instanceof Buffer ? text(reply) : Array.isArray(reply) ? reply : [],
  }));
}

/** What these jobs need of their queue. */
function neededBy(jobs: readonly NewJob[]): (keyof typeof NEEDED)[] {
  const needed: (keyof typeof NEEDED)[] = [];
  if (jobs.some(isExpiring)) needed.push("x");
  if (jobs.some(({ key }) => key !== undefined)) needed.push("k");
  if (jobs.some(({ unique }) => unique !== undefined)) needed.push("u");
  return needed;
}

/** The error of a batch in which the unique key of a job is held. */
function held(queue: string, jobs: readonly NewJob[], answer: string, places: readonly number[] | undefined) {
  const [, at = "", holder = ""] = /^E(\d+) (.*)$/.exec(answer) ?? [];
  const { key = "" } = jobs[Number(at)]?.unique ?? {};
  return jobExists(key, holder === "" ? undefined : jobIdOf(queue, holder), places?.[Number(at)] ?? Number(at));
}

/** What these jobs leave open, as ENQUEUE reads it. */
function openText(jobs: readonly NewJob[]): string {
  const open = jobs[0]?.open ?? 0;
  if (jobs.every((job) => (job.open ?? 0) === open)) return open === 0 ? "" : `|${open.toString(16)}`;
  return `|${jobs.map((job) => (job.open ?? 0).toString(16)).join("")}`;
}

/** Reads what ENQUEUE tells of the defaults of its queue. */
function readDefaults(text: string): QueueDefaults {
  const [, retries = "", timeout = "", ttl = "", backoff = ""] = /^(\d*) (\d*) (\d*) (.*)$/.exec(text) ?? [];
  return {
    defaultMaxRetries: retries === "" ? null : Number(retries),
    defaultTimeoutMs: timeout === "" ? null : Number(timeout),
    defaultTtlMs: ttl === "" ? null : Number(ttl),
    defaultBackoff: readDefaultBackoff(backoff),
  };
}

/** How many plain jobs take a script as long as this one. */
function workOfOne({ key, unique }: NewJob): number {
  return (key === undefined ? 1 : BATCH / KEYED_PART) + (unique === undefined ? 0 : BATCH / UNIQUE_PART);
}

/** How many plain jobs take a script as long as these. */
function workOf(jobs: readonly NewJob[]): number {
  return jobs.reduce((sum, job) => sum + workOfOne(job), 0);
}

/** The jobs of one queue in parts, each for one script call. */
function partsOf(jobs: readonly NewJob[]): readonly (readonly NewJob[])[] {
  const parts: NewJob[][] = [];
  let work = Number.POSITIVE_INFINITY;
  for (const job of jobs) {
    const own = workOfOne(job);
    work += own;
    if (work > BATCH) {
      parts.push([]);
      work = own;
    }
    parts.at(-1)?.push(job);
  }
  return parts;
}

function bytesOf(jobs: readonly NewJob[]): number {
  let bytes = 0;
  for (const { payload } of jobs) bytes += payload?.length ?? 0;
  return bytes;
}

const MODES: Readonly<Record<Mode, string>> = { create: "c", force: "f", check: "d" };

function isExpiring({ ttlMs, expiresAt }: NewJob): boolean {
  return ttlMs !== undefined || expiresAt !== undefined;
}

/** What ENQUEUE reads first of a job. */
function headOf(job: NewJob): string {
  const { id, delayMs, runAfter, requestId = "", digest = "" } = job;
  const number = numberOf(id);
  if (isExpiring(job)) {
    const when = runAfter === undefined ? `+${delayMs ?? 0}` : `=${runAfter}`;
    const ends = job.ttlMs === undefined ? `=${job.expiresAt}` : `+${job.ttlMs}`;
    return `${number}|${when},${ends}|${digest}|${requestId}`;
  }
  if (runAfter !== undefined) return `${number}|=${runAfter}|${digest}|${requestId}`;
  return !delayMs && requestId === "" ? number : `${number}|+${delayMs ?? 0}|${digest}|${requestId}`;
}
