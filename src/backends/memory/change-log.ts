import type { Change, ChangeFilter, ChangePage } from "../../core/backend.js";
import { matchesChange } from "../../core/watch/change-filter.js";
import { fieldInvalid, watchCompacted } from "../../model/errors.js";
import type { JobLabel, JobRecord, JobTimes } from "./job-record.js";

/** Entries that one read examines at the most. */
const SCAN = 10_000;

/** Appended changes between two looks at the memory. */
const CHECK_EVERY = 1000;

/** The change that created a job, as the log keeps it: a backlog fills the log with these, and they say little. */
class Creation {
  readonly #jobId: string;
  readonly #label: JobLabel;
  readonly #times: JobTimes;

  constructor({ id, shared, times }: JobRecord) {
    this.#jobId = id;
    this.#label = shared.label;
    this.#times = times;
  }

  toChange(): Change {
    return {
      jobId: this.#jobId,
      queue: this.#label.queue,
      type: this.#label.type,
      priority: this.#label.priority,
      updatedAt: this.#times.createdAt,
      runAfter: this.#times.runAfter,
      deleted: false,
      status: "PENDING",
      revision: 1,
      retryCount: 0,
      deliveries: 0,
      lostLeases: 0,
      error: "",
      progress: undefined,
      cancelRequested: false,
      worker: "",
      startedAt: undefined,
      finishedAt: undefined,
    };
  }
}

/** The last `capacity` changes, numbered without a gap. A cursor names this log and the number of a change. */
export class ChangeLog {
  #capacity: number;
  readonly #isFull: () => boolean;
  readonly #name: string;
  readonly #ring: (Change | Creation)[] = [];
  #next = 0;

  /**
   * `name` tells this log from that of an earlier process: 8 characters. `isFull` is asked now and then while the log
   * grows: when the memory is full, it stays as long as it is, but for a tenth of its capacity.
   */
  constructor(capacity: number, name: string, isFull: () => boolean) {
    this.#capacity = capacity;
    this.#name = name;
    this.#isFull = isFull;
  }

  /** Appends a change that was just made of a record. */
  append(change: Change, record: JobRecord): void {
    const isGrowing = this.#next < this.#capacity;
    const mayStop = isGrowing && this.#next >= this.#capacity / 10 && this.#next % CHECK_EVERY === 0;
    if (mayStop && this.#isFull()) this.#capacity = this.#next;
    this.#ring[this.#next % this.#capacity] = change.revision === 1 ? new Creation(record) : change;
    this.#next++;
  }

  head(): string {
    return this.#cursor(this.#next);
  }

  read(cursor: string, limit: number, filter: ChangeFilter): ChangePage {
    let at = this.#parse(cursor);
    if (at < this.#next - this.#capacity) throw watchCompacted();
    const end = Math.min(this.#next, at + SCAN);
    const entries: { change: Change; cursor: string }[] = [];
    while (at < end && entries.length < limit) {
      const entry = this.#ring[at % this.#capacity] as Change | Creation;
      const change = entry instanceof Creation ? entry.toChange() : entry;
      at++;
      if (matchesChange(filter, change)) entries.push({ change, cursor: this.#cursor(at) });
    }
    return { entries, next: this.#cursor(at), more: at < this.#next };
  }

  #cursor(position: number): string {
    return `${this.#name}.${position}`;
  }

  #parse(cursor: string): number {
    const match = /^([0-9a-z]{8})\.(0|[1-9][0-9]{0,15})$/.exec(cursor);
    if (match === null) throw badCursor();
    if (match[1] !== this.#name) throw watchCompacted();
    const position = Number(match[2]);
    if (position > this.#next) throw badCursor();
    return position;
  }
}

function badCursor() {
  return fieldInvalid([
    { field: "cursor", description: "is not a cursor of this server; leave it empty to start now" },
  ]);
}
