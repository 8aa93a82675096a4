import type { Change, ChangeFilter, ChangePage } from "../../core/backend.js";
import { fieldInvalid, watchCompacted } from "../../core/errors.js";

/** Entries that one read examines at the most. */
const SCAN = 10_000;

/** Appended changes between two looks at the memory. */
const CHECK_EVERY = 1000;

/** The last `capacity` changes, numbered without a gap. A cursor names this log and the number of a change. */
export class ChangeLog {
  #capacity: number;
  readonly #isFull: () => boolean;
  readonly #name: string;
  readonly #ring: Change[] = [];
  #next = 0;

  /**
   * `name` tells this log from that of an earlier process: 8 characters. `isFull` is asked now and then while the log
   * grows: when the memory is full, it stays as long as it is.
   */
  constructor(capacity: number, name: string, isFull: () => boolean) {
    this.#capacity = capacity;
    this.#name = name;
    this.#isFull = isFull;
  }

  append(change: Change): void {
    const isGrowing = this.#next < this.#capacity;
    if (isGrowing && this.#next > 0 && this.#next % CHECK_EVERY === 0 && this.#isFull()) this.#capacity = this.#next;
    this.#ring[this.#next % this.#capacity] = change;
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
      const change = this.#ring[at % this.#capacity] as Change;
      at++;
      if (matches(filter, change)) entries.push({ change, cursor: this.#cursor(at) });
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

function matches(filter: ChangeFilter, change: Change): boolean {
  return (
    (filter.queues === undefined || filter.queues.has(change.queue)) &&
    (filter.types === undefined || filter.types.has(change.type)) &&
    (filter.statuses === undefined || filter.statuses.has(change.status))
  );
}
