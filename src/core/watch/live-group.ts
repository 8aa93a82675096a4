import type { Change, ChangeBatch, ChangeFilter } from "../port/changes.js";
import type { JobsEvent } from "./watch-events.js";

/** Most events that a group keeps for members that have not taken them. */
const MAX_KEPT = 128;

/** From so many kept events on it is worth a look who still needs them. */
const LOOK = 32;

/** A watcher that takes events as they come. */
export interface LiveMember {
  /** Whether it waits for an event. */
  readonly isWaiting: boolean;
  /** Number of the event that it takes next. */
  place: number;
  /** Called while it waits and there is an event. */
  give(): void;
  /** Called when it is no member any more, and must read the log from this cursor on. */
  fellBehind(cursor: string): void;
}

interface Kept {
  readonly event: JobsEvent;
  /** A cursor behind everything that matches and came before the event, near to it. */
  readonly before: string;
}

/**
 * Watchers with the same filter that have read the log to its end: each change that matches becomes one event object for all
 * of them. An event is kept until all have taken it, but no more than `MAX_KEPT`: whoever does not take them falls behind.
 */
export class LiveGroup {
  readonly filter: ChangeFilter;
  readonly key: string;
  readonly #members = new Set<LiveMember>();
  readonly #kept: Kept[] = [];
  /** Number of the first event that is kept. */
  #first = 0;
  /** The batch that the last event is of. */
  #batch: ChangeBatch | undefined;
  /** The latest cursor that is known. */
  #cursor = "";

  constructor(filter: ChangeFilter, key: string) {
    this.filter = filter;
    this.key = key;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Number of the event that comes next. */
  get end(): number {
    return this.#first + this.#kept.length;
  }

  /** Adds a member that has had all events until now, up to this cursor. */
  join(member: LiveMember, cursor: string): void {
    member.place = this.end;
    this.#cursor = cursor;
    this.#members.add(member);
  }

  leave(member: LiveMember): void {
    this.#members.delete(member);
  }

  /** The next event of a member; undefined when it has had all. */
  take(member: LiveMember): JobsEvent | undefined {
    const kept = this.#kept[member.place - this.#first];
    if (kept !== undefined) member.place++;
    return kept?.event;
  }

  /** Makes an event of a change that matches, the one at `index` of its batch. Call `wake` after the batch. */
  add(batch: ChangeBatch, index: number, change: Change): void {
    const { queues } = this.filter;
    if (this.#batch !== batch) this.#cursor = batch.cursor(0, queues) ?? this.#cursor;
    this.#batch = batch;
    const before = this.#cursor;
    this.#cursor = batch.cursor(index + 1, queues) ?? before;
    this.#kept.push({ event: { kind: "event", change, cursor: this.#cursor }, before });
  }

  /** Gives events to the members that wait. */
  wake(): void {
    this.#batch = undefined;
    for (const member of this.#members) if (member.isWaiting) member.give();
    if (this.#kept.length >= LOOK) this.#trim();
  }

  /** Sends all members back to the log. `cursor`: behind everything that came; undefined: use the latest that is known. */
  dissolve(cursor: string | undefined): void {
    const members = [...this.#members];
    this.#members.clear();
    for (const member of members) {
      member.fellBehind(this.#kept[member.place - this.#first]?.before ?? cursor ?? this.#cursor);
    }
  }

  #trim(): void {
    let least = this.end;
    for (const { place } of this.#members) least = Math.min(least, place);
    const over = this.#kept.length - MAX_KEPT;
    // Those that are too slow lose half of what they could have had, so that this is not done for each event.
    const first = Math.max(least, over > 0 ? this.#first + over + MAX_KEPT / 2 : 0);
    for (const member of this.#members) {
      const next = this.#kept[member.place - this.#first];
      if (member.place >= first || next === undefined) continue;
      this.#members.delete(member);
      member.fellBehind(next.before);
    }
    this.#kept.splice(0, first - this.#first);
    this.#first = first;
  }
}
