import type { NewJob } from "../../core/backend.js";
import { compareNumbers } from "../../model/ids.js";
import { LIMITS } from "../../model/limits.js";
import { compareReady, compareRunAfter } from "../../model/order.js";
import type { Queue, QueueSettings } from "../../model/queue.js";
import { FinishedOrder } from "./finished-jobs.js";
import type { JobPlace, JobRecord, SharedJobSpec } from "./job-record.js";
import { OrderedQueue } from "./ordered-queue.js";
import { RequestIds } from "./request-ids.js";
import { type Moment, Schedule } from "./schedule.js";
import { SortedIndex } from "./sorted-index.js";

/** Empty ready lines are dropped when there are this many lines, and again each time their number has doubled. */
const MANY_LINES = 256;

/** A job of a queue in memory. */
export type QueuedJob = JobRecord<QueueState>;

type QueuedJobSpec = SharedJobSpec<QueueState>;

const isWaiting = (record: QueuedJob): boolean => record.status === "PENDING" && !record.isGone;

/** The ready jobs of one type: one level for each priority under PRIORITY, a single level under RUN_AFTER. */
class ReadyLine {
  count = 0;
  /** Shared spec of the last job of this type; the next one reuses it when it is equal. */
  shared: QueuedJobSpec | undefined;
  readonly levels: (OrderedQueue<QueuedJob> | undefined)[] = [];

  constructor(readonly type: string) {}

  level(record: QueuedJob, byPriority: boolean): OrderedQueue<QueuedJob> {
    const at = byPriority ? record.priority : 0;
    this.levels[at] ??= new OrderedQueue(compareRunAfter, isWaiting);
    return this.levels[at];
  }

  peek(): QueuedJob | undefined {
    if (this.count === 0) return undefined;
    for (let at = this.levels.length - 1; at >= 0; at--) {
      const head = this.levels[at]?.peek();
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /** The earliest runAfter of all: each level is in that order, so the heads are enough. Infinity when empty. */
  oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const level of this.levels) oldest = Math.min(oldest, level?.peek()?.runAfter ?? oldest);
    return oldest;
  }
}

/** When a job was created, and its number. */
export interface CreationKey {
  readonly createdAt: number;
  readonly number: string;
}

/** One death of a job, at `at`, ms since 1970. Not part of the job: after a replay a job may die again. */
export interface DeadEntry {
  readonly record: QueuedJob;
  readonly at: number;
  live: boolean;
}

/** Compares by creation. */
export const compareCreation = (a: CreationKey, b: CreationKey): number =>
  a.createdAt - b.createdAt || compareNumbers(a.number, b.number);

const compareDead = (a: DeadEntry, b: DeadEntry): number =>
  a.at - b.at || compareNumbers(a.record.number, b.record.number);

/** A queue in memory, with its jobs indexed by status and place. */
export class QueueState {
  paused = false;
  /** The types of which `JobStore.announce` will report ready jobs; "all": of all that have some. */
  marked: Set<string> | "all" | undefined;
  readonly running = new Set<QueuedJob>();
  done = 0;
  completed = 0;
  readonly requestIds = new RequestIds();
  /** Every job, by number. */
  readonly jobs = new Map<string, QueuedJob>();
  /** Every job, in the order of creation: by time, then number. */
  readonly all = new SortedIndex<QueuedJob>(compareCreation, (record) => !record.isGone);
  /** DONE and CANCELED jobs in the order they finished. */
  readonly finished = new FinishedOrder();
  readonly #deadIndex = new SortedIndex<DeadEntry>(compareDead, (entry) => entry.live);
  readonly #deadEntries = new Map<QueuedJob, DeadEntry>();
  readonly #lines = new Map<string, ReadyLine>();
  readonly #schedule = new Schedule<QueuedJob>(isWaiting);
  #ready = 0;
  #manyLines = MANY_LINES;

  constructor(
    readonly name: string,
    public settings: QueueSettings,
    readonly createdAt: number,
  ) {}

  /** Number of PENDING jobs, ready and scheduled. */
  get depth(): number {
    return this.#ready + this.#schedule.size;
  }

  get dead(): number {
    return this.#deadEntries.size;
  }

  /** The shared spec for a new job: that of the previous job of its type when they are equal, else a new one. */
  sharedSpecOf(job: NewJob): QueuedJobSpec {
    const line = this.#line(job.type);
    if (line.shared === undefined || !isSharedBy(job, line.shared)) {
      const { priority, maxRetries, backoff, timeoutMs, metadata } = job;
      const last = line.shared?.label;
      const label = last?.priority === priority ? last : { queue: this.name, type: line.type, priority };
      line.shared = { label, queue: this, maxRetries, backoff, timeoutMs, metadata };
    }
    return line.shared;
  }

  /** The types that have ready jobs; undefined when there are many lines. */
  get readyTypes(): readonly string[] | undefined {
    if (this.#lines.size > MANY_LINES) return undefined;
    return [...this.#lines.values()].filter(({ count }) => count > 0).map(({ type }) => type);
  }

  /** Keeps a PENDING job until its `runAfter` by the wall clock or, if given, `until` on the monotonic clock, ms. */
  schedule(record: QueuedJob, until?: number): void {
    if (until === undefined) this.#schedule.addTimed(record);
    else this.#schedule.addWaiting(record, until);
  }

  /** Puts a PENDING job in the ready line of its type. */
  put(record: QueuedJob): void {
    record.place = "READY";
    const line = this.#line(record.type);
    line.level(record, this.settings.ordering === "PRIORITY").push(record);
    line.count++;
    this.#ready++;
  }

  /** Removes a job that was PENDING in this place from its line; its status must have changed already. */
  forget(record: QueuedJob, place: JobPlace): void {
    if (place === "SCHEDULED" || place === "WAITING") {
      this.#schedule.discard(place);
      return;
    }
    const line = this.#lines.get(record.type);
    if (line === undefined) return;
    line.count--;
    this.#ready--;
    line.level(record, this.settings.ordering === "PRIORITY").discard();
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

  /** Ms until the next scheduled job is due; infinity when none is scheduled. */
  nextDueInMs(moment: Moment): number {
    return this.#schedule.nextInMs(moment);
  }

  /** Removes the first ready job of these types from its line and returns it. */
  take(types: readonly string[]): QueuedJob | undefined {
    if (this.#ready === 0) return undefined;
    let best: QueuedJob | undefined;
    let from: ReadyLine | undefined;
    for (const type of types) {
      const line = this.#lines.get(type);
      const head = line?.peek();
      if (head !== undefined && (best === undefined || compareReady(this.settings.ordering, head, best) < 0)) {
        best = head;
        from = line;
      }
    }
    if (best === undefined || from === undefined) return undefined;
    from.level(best, this.settings.ordering === "PRIORITY").pop();
    from.count--;
    this.#ready--;
    return best;
  }

  /** Removes up to `limit` PENDING jobs from their lines, scheduled ones first, and returns them. */
  takeWaiting(limit: number): QueuedJob[] {
    const records: QueuedJob[] = [];
    const takeFrom = (line: Pick<OrderedQueue<QueuedJob>, "pop">): number => {
      const before = records.length;
      while (records.length < limit) {
        const record = line.pop();
        if (record === undefined) break;
        records.push(record);
      }
      return records.length - before;
    };
    takeFrom(this.#schedule);
    for (const line of this.#lines.values()) {
      for (const level of line.levels) {
        if (level === undefined) continue;
        const count = takeFrom(level);
        line.count -= count;
        this.#ready -= count;
      }
    }
    return records;
  }

  bury(record: QueuedJob, at: number): void {
    const entry = { record, at, live: true };
    this.#deadEntries.set(record, entry);
    this.#deadIndex.insert(entry);
  }

  unbury(record: QueuedJob): void {
    const entry = this.#deadEntries.get(record);
    if (entry === undefined) return;
    entry.live = false;
    this.#deadEntries.delete(record);
    this.#deadIndex.discard();
  }

  /** Dead jobs by time of death; with `after`, those that follow it in this order. */
  deadJobs(order: "NEWEST" | "OLDEST", after?: { at: number; number: string }): Generator<DeadEntry> {
    if (after === undefined) return order === "NEWEST" ? this.#deadIndex.descending() : this.#deadIndex.ascending();
    const compare = (entry: DeadEntry) => entry.at - after.at || compareNumbers(entry.record.number, after.number);
    if (order === "NEWEST") return this.#deadIndex.descending((entry) => compare(entry) < 0);
    return this.#deadIndex.ascending((entry) => compare(entry) <= 0);
  }

  deadRecords(): Iterable<QueuedJob> {
    return this.#deadEntries.keys();
  }

  /** The queue with its figures now. Call `promote` first: due jobs would count as scheduled. */
  snapshot(now: number): Queue {
    let oldest = Number.POSITIVE_INFINITY;
    let types: string[] = [];
    const sortTypes = () => types.sort().slice(0, LIMITS.readyTypes);
    for (const line of this.#lines.values()) {
      oldest = Math.min(oldest, line.oldest());
      // Sorted now and then: there may be very many, and only the first are wanted.
      if (line.count > 0 && types.push(line.type) === 500) types = sortTypes();
    }
    return {
      name: this.name,
      settings: this.settings,
      paused: this.paused,
      createdAt: this.createdAt,
      stats: {
        ready: this.#ready,
        scheduled: this.#schedule.size,
        running: this.running.size,
        dead: this.dead,
        done: this.done,
        oldestReadyAgeMs: oldest === Number.POSITIVE_INFINITY ? undefined : Math.max(0, now - oldest),
        completed: this.completed,
        readyTypes: sortTypes(),
      },
    };
  }

  #line(type: string): ReadyLine {
    let line = this.#lines.get(type);
    if (line === undefined) {
      if (this.#lines.size >= this.#manyLines) this.#dropIdleLines();
      line = new ReadyLine(type);
      this.#lines.set(type, line);
    }
    return line;
  }

  #dropIdleLines(): void {
    for (const line of this.#lines.values()) if (line.count === 0) this.#lines.delete(line.type);
    this.#manyLines = Math.max(MANY_LINES, this.#lines.size * 2);
  }
}

function isSharedBy(job: NewJob, shared: QueuedJobSpec): boolean {
  return (
    job.priority === shared.label.priority &&
    job.maxRetries === shared.maxRetries &&
    job.timeoutMs === shared.timeoutMs &&
    job.metadata === shared.metadata &&
    job.backoff.baseDelayMs === shared.backoff.baseDelayMs &&
    job.backoff.maxDelayMs === shared.backoff.maxDelayMs
  );
}
