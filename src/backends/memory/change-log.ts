import type { Change, ChangeBatch, ChangeFilter, ChangePage } from "../../core/port/changes.js";
import { matchesChange } from "../../core/watch/change-filter.js";
import { fieldInvalid, watchCompacted } from "../../model/common/errors.js";
import type { JobLabel, JobRecord, JobTimes } from "./records/job-record.js";
import { Creation, keepChange, type LoggedChange, readChange } from "./records/logged-change.js";

/** Most entries that one read examines. */
const SCAN = 10_000;

/** Appended changes between two checks for full memory. */
const CHECK_EVERY = 1000;

/**
 * The last `capacity` changes in a ring, numbered from 0 without a gap. A cursor is `<log name>.<number of the next
 * change to read>`.
 */
export class ChangeLog {
  #capacity: number;
  readonly #isFull: () => boolean;
  #name: string;
  readonly #ring: LoggedChange[] = [];
  /** The position of the first change that this log ever had: it has slot 0. */
  #base = 0;
  #next = 0;
  /** Number of changes that the listener was told of, and of the batches that they came in. */
  #told = 0;
  #batches = 0;

  /**
   * `name` (8 characters) tells this log from that of an earlier process, whose cursors are WATCH_COMPACTED here.
   * `isFull` is checked now and then while the log grows: once memory is full, the log keeps the length it has. It
   * always grows to a tenth of its capacity.
   */
  constructor(capacity: number, name: string, isFull: () => boolean) {
    this.#capacity = capacity;
    this.#name = name;
    this.#isFull = isFull;
  }

  /** Appends a change, which was just made from this record. */
  append(change: Change, record: JobRecord): void {
    const length = this.#next - this.#base;
    const mayStop = length < this.#capacity && length >= this.#capacity / 10 && length % CHECK_EVERY === 0;
    if (mayStop && this.#isFull()) this.#capacity = length;
    this.#ring[length % this.#capacity] = keepChange(change, record);
    this.#next++;
  }

  /** Continues the log of an earlier process at `base`; its changes follow with `restore`. */
  continue(name: string, base: number): void {
    this.#name = name;
    this.#base = this.#next = this.#told = base;
  }

  /** Puts a change of the earlier process back, the next in order. */
  restore(change: Change): void {
    this.#restore(change);
  }

  /** Puts the creation of a job back. */
  restoreCreation(number: string, label: JobLabel, times: JobTimes): void {
    this.#restore(new Creation(number, label, times));
  }

  #restore(entry: LoggedChange): void {
    this.#ring[(this.#next - this.#base) % this.#capacity] = entry;
    this.#told = ++this.#next;
  }

  get name(): string {
    return this.#name;
  }

  /** The position of the next change, and of the oldest that is kept. */
  get next(): number {
    return this.#next;
  }

  get oldest(): number {
    return Math.max(this.#base, this.#next - this.#capacity);
  }

  head(): string {
    return this.#cursor(this.#next);
  }

  /** The cursor after the changes that the listener was told of. */
  told(): string {
    return this.#cursor(this.#told);
  }

  /** Returns the changes that were appended since the last batch as the batch to tell now. */
  batch(changes: readonly Change[]): ChangeBatch {
    const start = this.#told;
    this.#told += changes.length;
    this.#batches++;
    const cursor = (count: number) => this.#cursor(start + count);
    return { changes, concernsWorkers: true, number: this.#batches, cursor };
  }

  read(cursor: string, limit: number, filter: ChangeFilter): ChangePage {
    let at = this.#parse(cursor);
    if (at < this.oldest) throw watchCompacted();
    const end = Math.min(this.#next, at + SCAN);
    const entries: { change: Change; cursor: string }[] = [];
    while (at < end && entries.length < limit) {
      const change = readChange(this.#ring[(at - this.#base) % this.#capacity] as LoggedChange);
      at++;
      if (matchesChange(filter, change)) entries.push({ change, cursor: this.#cursor(at) });
    }
    const told = at === this.#next && at === this.#told ? this.#batches : undefined;
    return { entries, next: this.#cursor(at), more: at < this.#next, told };
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
