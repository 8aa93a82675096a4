import type { Change, ChangeFilter, ChangePage } from "../../core/backend.js";
import { fieldInvalid, watchCompacted } from "../../core/errors.js";

/** Entries that one read examines at the most. */
const SCAN = 10_000;

/** The last `capacity` changes, numbered without a gap. A cursor names this log and the number of a change. */
export class ChangeLog {
  readonly #capacity: number;
  readonly #name: string;
  readonly #ring: Change[] = [];
  #next = 0;

  /** `name` tells this log from that of an earlier process: 8 characters. */
  constructor(capacity: number, name: string) {
    this.#capacity = capacity;
    this.#name = name;
  }

  append(change: Change): void {
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
