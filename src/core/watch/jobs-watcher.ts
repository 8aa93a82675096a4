import { isUnavailable } from "../../model/errors.js";
import type { Backend, ChangeFilter } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import { Feed, type FeedSource } from "./feed.js";
import type { HeartbeatMember, Heartbeats } from "./heartbeats.js";
import { AWAY_MS, type JobsEvent } from "./watch-events.js";

/** Changes read from the log at once. */
const READ_BATCH = 512;

/** A part of the log as readers are given it. */
interface Page {
  readonly events: readonly JobsEvent[];
  readonly next: string;
  readonly more: boolean;
}

/** Reads of the log: readers at the same place with the same filter share one, and what is made of its events. */
export class LogPages {
  readonly #backend: Backend;
  readonly #reads = new Map<string, { readonly page: Promise<Page>; readers: number }>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Something was appended: what is under way may lack it, and is shared with nobody any more. */
  changed(): void {
    if (this.#reads.size > 0) this.#reads.clear();
  }

  /** The position after the last change. */
  head(): Promise<string> {
    return this.#backend.head();
  }

  /** A page from a position on; `isShared` tells, once it is there, whether others were given the same. */
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

/** What a reader is made of. */
export interface JobsWatcherDeps {
  readonly pages: LogPages;
  /** Where it is while it reads; refuses it with SERVER_DRAINING. */
  readonly readers: { add(reader: JobsWatcher): void; delete(reader: JobsWatcher): void };
  /** Refuses it before it begins. */
  readonly admit: (() => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly heartbeats: Heartbeats<JobsWatcher>;
}

/** One reader of the change log. It keeps a position and at most one page. */
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

  /** Something was appended to the log. */
  changed(): void {
    this.#hasMore = true;
    this.refresh();
  }

  /** Reads on, if there is something and the reader waits for it. */
  refresh(): void {
    if (this.#isReading || !this.#hasMore || !this.feed.isWanted || this.#position === undefined) return;
    this.#isReading = true;
    this.#read(this.#position, false).catch((error) => {
      if (isUnavailable(error)) this.#retry();
      else this.feed.end({ cause: error });
    });
  }

  /** It has been silent for a while. */
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
