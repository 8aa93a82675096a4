import { isSameBackoff } from "../../model/job/backoff.js";
import type { JobSpec } from "../../model/job/job.js";
import type { HeldBy, Pending } from "../../model/job/pending-state.js";
import { compareNumbers } from "../../model/queue/ids.js";
import type { Queue, QueueSettings } from "../../model/queue/queue.js";
import type { RateState } from "../../model/queue/rate-limit.js";
import { DeadLetters } from "./indexes/dead-letters.js";
import type { Expiries } from "./indexes/expiries.js";
import { FinishedOrder } from "./indexes/finished-order.js";
import { JobTable } from "./indexes/job-table.js";
import { ReadyLines } from "./indexes/ready-lines.js";
import { Schedule } from "./indexes/schedule.js";
import type { ScheduleTable } from "./indexes/schedule-table.js";
import { SortedIndex } from "./indexes/sorted-index.js";
import type { Moment, Next } from "./indexes/two-clocks.js";
import type { UniqueKeys } from "./indexes/unique-keys.js";
import {
  isWaiting,
  isWaitingPlace,
  type JobPlace,
  type JobRecord,
  type RareFields,
  type SharedJobSpec,
} from "./records/job-record.js";
import { RequestIds } from "./request-ids.js";
import { VisitPlace } from "./visits.js";

/** A job of a queue in memory. */
export type QueuedJob = JobRecord<QueueState>;

/** The shared part of its spec. */
export type QueuedJobSpec = SharedJobSpec<QueueState>;

/** The fields of a job that its shared spec has. */
export type ShareableSpec = Pick<JobSpec, "type" | "priority" | "maxRetries" | "backoff" | "timeoutMs" | "metadata">;

/** When a job was created, and its number. */
export interface CreationKey {
  readonly createdAt: number;
  readonly number: string;
}

/** Compares by creation. */
export const compareCreation = (a: CreationKey, b: CreationKey): number =>
  a.createdAt - b.createdAt || compareNumbers(a.number, b.number);

/** A queue in memory, with its jobs indexed by status and place. */
export class QueueState {
  paused = false;
  /** Whether the queue was deleted: nobody finds it any more, and its jobs are forgotten one by one. */
  isGone = false;
  /** The types of which `JobStore.announce` will report ready jobs; "all": of all that have some. */
  marked: Set<string> | "all" | undefined;
  readonly #running = new Set<QueuedJob>();
  /** When ticks visit it. */
  readonly visit = new VisitPlace<QueueState>();
  /** What its rate has used; undefined: nothing yet. */
  rateState: RateState | undefined;
  /** Whether its rate holds back ready jobs of which nobody is told before a tick does. */
  isHeld = false;
  done = 0;
  completed = 0;
  readonly requestIds = new RequestIds();
  /** Every job, by number. */
  jobs = new JobTable<QueuedJob>();
  /** Every job, in the order of creation: by time, then number. */
  all = new SortedIndex<QueuedJob>(compareCreation, (record) => !record.isGone);
  /** DONE and CANCELED jobs in the order they finished, but for those that a hold keeps. */
  finished = new FinishedOrder<QueuedJob>();
  /** The jobs that expire unless they begin; undefined before the first. */
  expiries: Expiries<QueuedJob> | undefined;
  /** Undefined before the first. */
  schedules: ScheduleTable | undefined;
  /** The unique keys that are held; undefined before the first. */
  uniqueKeys: UniqueKeys<QueuedJob> | undefined;
  deadLetters = new DeadLetters<QueuedJob>();
  #ready = new ReadyLines<QueueState>();
  #schedule = new Schedule<QueuedJob>(isWaiting);

  constructor(
    readonly name: string,
    public settings: QueueSettings,
    readonly createdAt: number,
    /** Tells it from earlier queues of its name whose jobs are still to be forgotten. */
    readonly generation = 0,
  ) {}

  /** The queue is deleted. Lets go of its jobs, and returns them one by one, those that somebody runs first. */
  abandon(): Iterator<QueuedJob, void> {
    const all = this.all;
    const running = this.#running;
    const empty = new QueueState(this.name, this.settings, this.createdAt);
    this.isGone = true;
    this.jobs = empty.jobs;
    this.all = empty.all;
    this.finished = empty.finished;
    this.deadLetters = empty.deadLetters;
    this.#ready = empty.#ready;
    this.#schedule = empty.#schedule;
    this.expiries = undefined;
    this.schedules = undefined;
    this.uniqueKeys = undefined;
    return (function* () {
      yield* running;
      yield* all.drain();
    })();
  }

  /** The RUNNING jobs. */
  get running(): ReadonlySet<QueuedJob> {
    return this.#running;
  }

  /** Number of PENDING jobs, those that wait for their time too. */
  get depth(): number {
    return this.#ready.count + this.#schedule.size;
  }

  /** The shared spec for a job: that of the previous job of its type when they are equal, else a new one. */
  sharedSpecOf(job: ShareableSpec): QueuedJobSpec {
    const line = this.#ready.line(job.type);
    if (line.shared === undefined || !isSharedBy(job, line.shared)) {
      const { priority, maxRetries, backoff, timeoutMs, metadata } = job;
      const last = line.shared?.label;
      const label = last?.priority === priority ? last : { queue: this.name, type: line.type, priority };
      line.shared = { label, queue: this, maxRetries, backoff, timeoutMs, metadata };
    }
    return line.shared;
  }

  /** Number of ready jobs, held back by the rate or not, without those that their keys hold back. */
  get ready(): number {
    return this.#ready.count - this.#ready.held;
  }

  /** The types that have ready jobs; undefined when there are many lines. */
  get readyTypes(): readonly string[] | undefined {
    return this.#ready.types;
  }

  /** The fields for a job that has this key and nothing else that is rare. */
  rareOf(key: string): RareFields {
    return this.#ready.rareOf(key);
  }

  /** Number of jobs of a type that would be leased now, but for `maxConcurrency`. */
  countReady(type: string): number {
    return this.#ready.countOf(type);
  }

  /** Keeps a PENDING job until its `runAfter` by the wall clock or, if given, `until` on the monotonic clock, ms, in a place. */
  schedule(record: QueuedJob, until?: number, place: "WAITING" | "RETRYING" = "WAITING"): void {
    if (until === undefined) this.#schedule.addTimed(record);
    else this.#schedule.addWaiting(record, until, place);
  }

  /** Puts a PENDING job in the ready line of its type. Returns whether its key does not hold it back. */
  put(record: QueuedJob): boolean {
    record.place = "READY";
    return this.#ready.put(record, this.settings);
  }

  /** Another record stands for a job from now on; the one before must be gone already. */
  replace(record: QueuedJob): void {
    this.jobs.delete(record.number);
    this.jobs.add(record.number, record);
    this.all.discard();
    this.all.insert(record);
  }

  /** Removes a job that was PENDING in this place from its line; it must no longer be PENDING, or be gone. */
  forget(record: QueuedJob, place: JobPlace): void {
    if (isWaitingPlace(place)) this.#schedule.discard(place);
    else this.#ready.discard(record, this.settings);
  }

  /** Makes up to `max` scheduled jobs ready that are due. Returns how many. */
  promote(moment: Moment, max: number): number {
    let count = 0;
    for (; count < max; count++) {
      const record = this.#schedule.popDue(moment);
      if (record === undefined) break;
      this.put(record);
    }
    return count;
  }

  /** The jobs that wait for their time, in no particular order; undefined when they are more than so many. */
  waitingUpTo(max: number): QueuedJob[] | undefined {
    return this.#schedule.size > max ? undefined : [...this.#schedule];
  }

  /** When the next scheduled jobs are due. */
  get nextDue(): Next {
    return this.#schedule.next;
  }

  /** Removes the first ready job of these types from its line, which runs from now on, and returns it. */
  take(types: readonly string[]): QueuedJob | undefined {
    const record = this.#ready.take(types, this.settings);
    if (record !== undefined) this.#running.add(record);
    return record;
  }

  /** A job runs that was in no line. */
  began(record: QueuedJob): void {
    this.#running.add(record);
    this.#ready.began(record, this.settings);
  }

  /** A job runs no more. `back`: called with each type of which jobs were held back and are no longer. */
  ended(record: QueuedJob, back: (type: string) => void): void {
    this.#running.delete(record);
    if (record.key !== undefined) this.#ready.ended(record, this.settings, back);
  }

  /** A job that was leased came to nobody, and is about to end: the turn of its key is given back. */
  giveBack(record: QueuedJob): void {
    this.#ready.giveBack(record, this.settings);
  }

  /** Whether jobs that are held back no longer wait for `reviewKeys`: there were too many for one step. */
  get isBackLate(): boolean {
    return this.#ready.isUnfit;
  }

  /** Looks at up to `max` keys that a new limit may concern, and at what comes back late; returns at how many. `back`: as in `ended`. */
  reviewKeys(max: number, back: (type: string) => void): number {
    return this.#ready.review(this.settings, max, back);
  }

  /** Changes settings. A new limit of keys is obeyed by `reviewKeys`. */
  change(settings: Partial<QueueSettings>): void {
    const before = this.settings.maxConcurrencyPerKey;
    this.settings = { ...this.settings, ...settings };
    if (this.settings.maxConcurrencyPerKey !== before) this.#ready.reviewLater();
  }

  /** Removes up to `limit` PENDING jobs from their lines, scheduled ones first, and returns them. */
  takeWaiting(limit: number): QueuedJob[] {
    const records: QueuedJob[] = [];
    while (records.length < limit) {
      const record = this.#schedule.pop();
      if (record === undefined) break;
      records.push(record);
    }
    for (const record of this.#ready.takeAny(limit - records.length)) records.push(record);
    return records;
  }

  /** How many of the jobs that are due are held back by limits now. A limit that is new adds what it holds back here. */
  #heldBack(isRateHolding: boolean): number {
    return this.#limit(isRateHolding) === undefined ? this.#ready.held : this.#ready.count;
  }

  /** The limit that holds back all jobs of the queue whose time has come, if one does now. */
  #limit(isRateHolding: boolean): HeldBy | undefined {
    if (isRateHolding) return "RATE_LIMIT";
    const { maxConcurrency } = this.settings;
    return maxConcurrency > 0 && this.running.size >= maxConcurrency ? "MAX_CONCURRENCY" : undefined;
  }

  /**
   * What a PENDING job of the queue waits for. Call `promote` first: one that is due would count as scheduled. `heldForMs`: as of
   * `snapshot`.
   */
  pendingOf(record: QueuedJob, heldForMs: number | undefined): Pending {
    const { place } = record;
    if (isWaitingPlace(place)) {
      return { pendingState: place === "RETRYING" ? "RETRYING" : "SCHEDULED", heldBy: undefined };
    }
    const ofQueue = this.#limit(heldForMs !== undefined && this.ready > 0);
    const limit = ofQueue ?? (this.#ready.isHeld(record) ? "MAX_CONCURRENCY_PER_KEY" : undefined);
    return { pendingState: limit === undefined ? "READY" : "LIMITED", heldBy: this.paused ? "PAUSED" : limit };
  }

  /**
   * The queue with its figures now. Call `promote` first: due jobs would count as scheduled. `heldForMs`: how long its rate holds
   * back what is ready; undefined: it does not.
   */
  snapshot(now: number, heldForMs: number | undefined): Queue {
    const oldest = this.#ready.oldest();
    const isHeld = heldForMs !== undefined && this.ready > 0;
    const limited = this.#heldBack(isHeld);
    return {
      name: this.name,
      settings: this.settings,
      paused: this.paused,
      createdAt: this.createdAt,
      nextSlotAt: isHeld ? now + Math.ceil(heldForMs) : undefined,
      stats: {
        ready: this.#ready.count - limited,
        scheduled: this.#schedule.size - this.#schedule.retrying,
        retrying: this.#schedule.retrying,
        limited,
        running: this.running.size,
        dead: this.deadLetters.size,
        done: this.done,
        oldestReadyAgeMs: oldest === Number.POSITIVE_INFINITY ? undefined : Math.max(0, now - oldest),
        completed: this.completed,
        readyTypes: this.#ready.firstTypes,
      },
    };
  }
}

function isSharedBy(job: ShareableSpec, shared: QueuedJobSpec): boolean {
  return (
    job.priority === shared.label.priority &&
    job.maxRetries === shared.maxRetries &&
    job.timeoutMs === shared.timeoutMs &&
    job.metadata === shared.metadata &&
    isSameBackoff(job.backoff, shared.backoff)
  );
}
