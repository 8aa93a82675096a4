import { isUnavailable } from "../../model/common/errors.js";
import type { Clock, Timer } from "../clock.js";
import type { ChangeFilter } from "../port/changes.js";
import { Feed, type FeedSource } from "./feed.js";
import type { HeartbeatMember, Heartbeats } from "./heartbeats.js";
import type { LiveChanges } from "./live-changes.js";
import type { LiveGroup, LiveMember } from "./live-group.js";
import type { LogPages } from "./log-pages.js";
import { AWAY_MS, type JobsEvent } from "./watch-events.js";

/** Dependencies of a watcher. */
export interface JobsWatcherDeps {
  readonly pages: LogPages;
  readonly live: LiveChanges;
  /** The set that it belongs to while it watches. `add` throws SERVER_DRAINING if the server is shutting down. */
  readonly readers: { add(reader: JobsWatcher): void; delete(reader: JobsWatcher): void };
  /** The set that it belongs to while it has read the log to its end and waits for more, without being handed that. */
  readonly atEnd: Set<JobsWatcher>;
  /** Called before it begins; rejects to refuse the watch. */
  readonly admit: (() => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly heartbeats: Heartbeats<JobsWatcher>;
}

/**
 * A watcher of the change log. It keeps at most one page of events.
 *
 * | state   | what it does                                            | moves to                                          |
 * |---------|---------------------------------------------------------|---------------------------------------------------|
 * | READING | reads pages of the log from its cursor, on demand       | LIVE: a page ended with what was told last        |
 * | LIVE    | takes events from its group, on demand                  | READING: it is too slow, or changes may be missed |
 */
export class JobsWatcher implements FeedSource, HeartbeatMember, LiveMember {
  readonly feed = new Feed<JobsEvent>(this);
  readonly #deps: JobsWatcherDeps;
  readonly #filter: ChangeFilter;
  readonly #filterKey: string;
  /** Where it reads on; undefined before that is known. While it is LIVE, where it became so. */
  #position: string | undefined;
  /** Whether there may be changes after the position. */
  #hasMore = true;
  #isReading = false;
  /** Its group while it is LIVE. */
  #group: LiveGroup | undefined;
  #away: Timer | undefined;
  place = 0;
  heardAt = 0;

  constructor(filter: ChangeFilter, cursor: string | undefined, deps: JobsWatcherDeps) {
    this.#filter = filter;
    const { queues, within, types, statuses } = filter;
    this.#filterKey = JSON.stringify([...[queues, types, statuses].map((set) => set && [...set].sort()), within?.key]);
    this.#position = cursor;
    this.#deps = deps;
  }

  get isWaiting(): boolean {
    return this.feed.isWanted;
  }

  started(): void {
    this.#start().catch((error) => this.feed.end({ cause: error }));
  }

  wanted(): void {
    this.refresh();
  }

  ended(): void {
    this.#away?.cancel();
    this.#deps.heartbeats.remove(this);
    this.#deps.readers.delete(this);
    this.#deps.atEnd.delete(this);
    if (this.#group !== undefined) this.#deps.live.leave(this, this.#group);
    this.#group = undefined;
  }

  /** Call when the log has grown, while it is READING. */
  changed(): void {
    this.#hasMore = true;
    this.refresh();
  }

  /** Brings the next event, if there may be one and the reader waits for it. */
  refresh(): void {
    if (!this.feed.isWanted) return;
    if (this.#group !== undefined) this.give();
    else this.#readOn();
  }

  give(): void {
    const group = this.#group;
    const event = group?.take(this);
    if (event === undefined || group === undefined) return;
    this.feed.isShared = group.size > 1;
    this.heardAt = this.#deps.heartbeats.now();
    this.feed.push(event);
  }

  fellBehind(cursor: string): void {
    this.#group = undefined;
    this.#position = cursor;
    this.changed();
  }

  /** Pushes a heartbeat with the current position, unless events wait already. */
  beat(at: number): void {
    if (this.feed.size > 0 || this.#position === undefined) return;
    const group = this.#group;
    if (group !== undefined) {
      if (this.place < group.end) return;
      this.#position = this.#deps.live.cursor(group) ?? this.#position;
    }
    this.feed.push({ kind: "heartbeat", at, cursor: this.#position });
  }

  async #start(): Promise<void> {
    this.#isReading = true;
    await this.#deps.admit?.();
    if (this.feed.isEnded) return;
    this.#deps.readers.add(this);
    this.#position ??= await this.#deps.pages.head();
    await this.#read(this.#position, true);
  }

  #readOn(): void {
    if (this.#isReading || !this.#hasMore || this.#position === undefined) return;
    this.#isReading = true;
    this.#read(this.#position, false).catch((error) => {
      if (isUnavailable(error)) this.#retry();
      else this.feed.end({ cause: error });
    });
  }

  async #read(position: string, isFirst: boolean): Promise<void> {
    const { pages, live, atEnd, clock, heartbeats } = this.#deps;
    const before = live.state;
    this.#hasMore = false;
    try {
      const { events, next, more, told, isShared } = await pages.read(position, this.#filter, this.#filterKey);
      if (this.feed.isEnded) return;
      this.#position = next;
      const { number, interruptions } = live.state;
      const isInterrupted = interruptions !== before.interruptions;
      if (told === number && !isInterrupted) this.#group = live.join(this, this.#filter, this.#filterKey, next);
      else if (more || isInterrupted || number !== before.number) this.#hasMore = true;
      else if (!this.#hasMore) atEnd.add(this);
      this.feed.isShared = isShared;
      if (isFirst) this.feed.push({ kind: "heartbeat", at: clock.now(), cursor: position });
      if (isFirst && !this.feed.isEnded) heartbeats.add(this);
      else if (events.length > 0) this.heardAt = heartbeats.now();
      for (const event of events) this.feed.push(event);
    } finally {
      this.#isReading = false;
    }
    this.refresh();
  }

  #retry(): void {
    this.#away?.cancel();
    this.#away = this.#deps.clock.setTimer(AWAY_MS, () => this.changed());
  }
}
