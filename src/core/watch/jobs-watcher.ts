import { isUnavailable } from "../../model/errors.js";
import type { Backend, ChangeFilter } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import { Feed, type FeedSource } from "./feed.js";
import type { HeartbeatMember, Heartbeats } from "./heartbeats.js";
import { AWAY_MS, type JobsEvent } from "./watch-events.js";

/** Most changes read from the log in one call. */
const READ_BATCH = 512;

/** A page of the log, as events for watchers. */
interface Page {
  readonly events: readonly JobsEvent[];
  readonly next: string;
  readonly more: boolean;
}

/** Reads pages of the change log. Watchers at the same position with the same filter share a read and its events. */
export class LogPages {
  readonly #backend: Backend;
  readonly #reads = new Map<string, { readonly page: Promise<Page>; readers: number }>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Call when the log has grown: reads in progress may lack the new changes, so nobody else may join them. */
  changed(): void {
    if (this.#reads.size > 0) this.#reads.clear();
  }

  /** Resolves to the position after the newest change. */
  head(): Promise<string> {
    return this.#backend.head();
  }

  /** Reads the page after a position. `isShared` is whether other watchers get the same event objects. */
  async read(position: string, filter: ChangeFilter, filterKey: string): Promise<Page & { isShared: boolean }> {
    const key = `${position} ${filterKey}`;
    let read = this.#reads.get(key);
    if (read === undefined) {
      read = { page: this.#read(position, filter), readers: 0 };
      this.#reads.set(key, read);
    }
    read.readers++;
    try {
      const page = await read.page;
      return { ...page, isShared: read.readers > 1 };
    } finally {
      if (this.#reads.get(key) === read) this.#reads.delete(key);
    }
  }

  async #read(position: string, filter: ChangeFilter): Promise<Page> {
    const { entries, next, more } = await this.#backend.read(position, READ_BATCH, filter);
    return { events: entries.map(({ change, cursor }) => ({ kind: "event", change, cursor })), next, more };
  }
}

/** Dependencies of a watcher. */
export interface JobsWatcherDeps {
  readonly pages: LogPages;
  /** The set that it belongs to while it watches. `add` throws SERVER_DRAINING if the server is shutting down. */
  readonly readers: { add(reader: JobsWatcher): void; delete(reader: JobsWatcher): void };
  /** Called before it begins; rejects to refuse the watch. */
  readonly admit: (() => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly heartbeats: Heartbeats<JobsWatcher>;
}

/** A watcher of the change log. It keeps only a position in the log and at most one page of events. */
export class JobsWatcher implements FeedSource, HeartbeatMember {
  readonly feed = new Feed<JobsEvent>(this);
  readonly #deps: JobsWatcherDeps;
  readonly #filter: ChangeFilter;
  readonly #filterKey: string;
  #position: string | undefined;
  /** Whether there may be changes after the position. */
  #hasMore = true;
  #isReading = false;
  #away: Timer | undefined;
  heardAt = 0;

  constructor(filter: ChangeFilter, cursor: string | undefined, deps: JobsWatcherDeps) {
    this.#filter = filter;
    this.#filterKey = JSON.stringify(
      [filter.queues, filter.types, filter.statuses].map((set) => set && [...set].sort()),
    );
    this.#position = cursor;
    this.#deps = deps;
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
  }

  /** Call when the log has grown. */
  changed(): void {
    this.#hasMore = true;
    this.refresh();
  }

  /** Reads the next page, if there may be one and the reader waits for an event. */
  refresh(): void {
    if (this.#isReading || !this.#hasMore || !this.feed.isWanted || this.#position === undefined) return;
    this.#isReading = true;
    this.#read(this.#position, false).catch((error) => {
      if (isUnavailable(error)) this.#retry();
      else this.feed.end({ cause: error });
    });
  }

  /** Pushes a heartbeat with the current position, unless events wait already. */
  beat(at: number): void {
    if (this.feed.size > 0 || this.#position === undefined) return;
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

  async #read(position: string, isFirst: boolean): Promise<void> {
    this.#hasMore = false;
    try {
      const { events, next, more, isShared } = await this.#deps.pages.read(position, this.#filter, this.#filterKey);
      this.#position = next;
      this.#hasMore ||= more;
      this.feed.isShared = isShared;
      if (isFirst) this.feed.push({ kind: "heartbeat", at: this.#deps.clock.now(), cursor: position });
      if (isFirst && !this.feed.isEnded) this.#deps.heartbeats.add(this);
      else if (events.length > 0) this.heardAt = this.#deps.heartbeats.now();
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
