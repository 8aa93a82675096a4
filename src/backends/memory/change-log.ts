import type { Change, ChangeBatch, ChangeFilter, ChangePage } from "../../core/port/changes.js";
import { matchesChange } from "../../core/watch/change-filter.js";
import { fieldInvalid, watchCompacted } from "../../model/common/errors.js";
import type { JobRecord } from "./records/job-record.js";
import { ENTRIES, LoggedChanges, type LoggedJob } from "./records/logged-changes.js";

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
  /** The entries in order: those of the last `capacity` changes, and some before that. */
  readonly #tables: LoggedChanges[] = [];
  /** Number of tables that were taken from the front, and put at the end for new entries. */
  #moved = 0;
  /** The position of the first change that this log ever had. */
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
    this.#keep(change, { number: record.number, label: record.shared.label, times: record.times });
  }

  /** Continues the log of an earlier process at `base`; its changes follow with `restore`. */
  continue(name: string, base: number): void {
    this.#name = name;
    this.#base = this.#next = this.#told = base;
  }

  /** Puts a change of the earlier process back, the next in order. */
  restore(change: Change, job: LoggedJob): void {
    this.#keep(change, job);
    this.#told = this.#next;
  }

  #keep(change: Change, job: LoggedJob): void {
    const at = this.#next - this.#base;
    if (at === (this.#moved + this.#tables.length) * ENTRIES) this.#addTable();
    this.#table(at).keep(at % ENTRIES, change, job);
    this.#next++;
  }

  /** Adds a table for the next entries: the first one, when none of its entries is kept any more. */
  #addTable(): void {
    const first = this.oldest - this.#base >= (this.#moved + 1) * ENTRIES ? this.#tables.shift() : undefined;
    if (first !== undefined) this.#moved++;
    this.#tables.push(first ?? new LoggedChanges());
  }

  /** The table with the entry that is so many after the first that this log ever had. */
  #table(at: number): LoggedChanges {
    return this.#tables[Math.floor(at / ENTRIES) - this.#moved] as LoggedChanges;
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
      const change = this.#table(at - this.#base).read((at - this.#base) % ENTRIES);
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
