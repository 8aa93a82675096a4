import { retryAfterMs, type SchedulePage } from "../../../core/port/schedule-store.js";
import { payloadBytes } from "../../../model/job/job.js";
import type { Schedule } from "../../../model/request/schedule.js";
import { OrderedQueue } from "./ordered-queue.js";

/** A schedule in the table. */
interface Entry {
  readonly schedule: Schedule;
  /** When it is to be told as due, ms since 1970; infinity: it is not. */
  readonly until: number;
}

/** The schedules of a queue, by name and by time. */
export class ScheduleTable {
  readonly #byName = new Map<string, Entry>();
  /** The names in order; undefined: to be sorted anew. */
  #names: readonly string[] | undefined;
  readonly #times = new OrderedQueue<Entry>(
    (a, b) => a.until - b.until,
    (entry) => this.#byName.get(entry.schedule.name) === entry,
  );

  get(name: string): Schedule | undefined {
    return this.#byName.get(name)?.schedule;
  }

  /** Adds a schedule, or puts it in the place of the one of its name. It is told as due at its next time. */
  put(schedule: Schedule): void {
    if (!this.#remove(schedule.name)) this.#names = undefined;
    this.#add({ schedule, until: schedule.nextRunAt ?? Number.POSITIVE_INFINITY });
  }

  /** Changes what a schedule says of itself without a change of when it is told as due. */
  note(schedule: Schedule): void {
    const until = this.#byName.get(schedule.name)?.until ?? Number.POSITIVE_INFINITY;
    this.#remove(schedule.name);
    this.#add({ schedule, until });
  }

  /** Returns whether there was one. */
  delete(name: string): boolean {
    const isThere = this.#remove(name);
    if (isThere) this.#names = undefined;
    return isThere;
  }

  /** Up to `max` schedules that are due by the wall clock. Each is due again after a while, unless it moves on. */
  takeDue(now: number, max: number): Schedule[] {
    const due: Schedule[] = [];
    while (due.length < max && this.nextAt <= now) {
      const entry = this.#times.pop();
      if (entry === undefined) break;
      due.push(entry.schedule);
      const { schedule } = entry;
      this.#add({ schedule, until: now + retryAfterMs(now - (schedule.nextRunAt ?? now)) });
    }
    return due;
  }

  /** When the next is due, ms since 1970; infinity: none is. */
  get nextAt(): number {
    return this.#times.peek()?.until ?? Number.POSITIVE_INFINITY;
  }

  /** Up to `limit` schedules behind a name, and about so many bytes of payloads; the first always fits. */
  page(after: string | undefined, limit: number, maxBytes: number): SchedulePage {
    this.#names ??= [...this.#byName.keys()].sort();
    const from = after === undefined ? 0 : placeBehind(this.#names, after);
    const schedules: Schedule[] = [];
    for (let bytes = 0; schedules.length < limit && bytes < maxBytes; ) {
      const schedule = this.get(this.#names[from + schedules.length] ?? "");
      if (schedule === undefined) break;
      schedules.push(schedule);
      bytes += payloadBytes(schedule.job.payload);
    }
    const isLast = from + schedules.length >= this.#names.length;
    return { schedules, next: isLast ? undefined : schedules.at(-1)?.name };
  }

  #add(entry: Entry): void {
    this.#byName.set(entry.schedule.name, entry);
    if (entry.until !== Number.POSITIVE_INFINITY) this.#times.push(entry);
  }

  #remove(name: string): boolean {
    const entry = this.#byName.get(name);
    if (entry === undefined) return false;
    this.#byName.delete(name);
    if (entry.until !== Number.POSITIVE_INFINITY) this.#times.discard();
    return true;
  }
}

/** Where the first name behind this one stands. */
function placeBehind(sorted: readonly string[], name: string): number {
  let [at, end] = [0, sorted.length];
  while (at < end) {
    const middle = (at + end) >> 1;
    if ((sorted[middle] as string) <= name) at = middle + 1;
    else end = middle;
  }
  return at;
}
