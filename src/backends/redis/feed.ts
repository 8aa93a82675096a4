import { linesOf } from "./layout.js";
import { LogEntry, type Notice } from "./log-entry.js";

/** Changes kept of each queue, at the most, for readers that are close behind. */
const MAX_TAIL = 5000;

/** Entries read at once where some were missed. */
const CATCH_UP = 100;

interface QueueFeed {
  epoch: string;
  /** The number of the last change that was handed on. */
  heard: number;
  /** A later one that was told of while earlier ones were missing. */
  told: number;
  tail: LogEntry[];
  catching: Promise<void> | undefined;
}

/** What a feed stands on. */
export interface FeedDeps {
  /** Changes that a log keeps. */
  readonly logSize: number;
  /** Entries after a position, oldest first. */
  readonly read: (queue: string, after: number, count: number) => Promise<LogEntry[]>;
  /** Takes entries in order, each once. */
  readonly deliver: (entry: LogEntry) => void;
  /** Some entries are gone for good: readers must look at the state itself. */
  readonly lost: (queue: string) => void;
  /** Missed entries could not be read. */
  readonly failed: (error: unknown) => void;
}

/**
 * Turns notices, of which some may get lost on the way, into the log as it is: in order, without a gap, each entry once.
 * What a notice did not bring is read from the log. It keeps the newest part for readers of this server.
 */
export class Feed {
  readonly #deps: FeedDeps;
  readonly #tailSize: number;
  readonly #queues = new Map<string, QueueFeed>();

  constructor(deps: FeedDeps) {
    this.#deps = deps;
    this.#tailSize = Math.min(MAX_TAIL, deps.logSize);
  }

  /** The queues that are followed. */
  get queues(): readonly string[] {
    return [...this.#queues.keys()];
  }

  /**
   * Begins a queue at the end of its log, or catches up with it when it was known before. `heard` is how far it was heard
   * when that end was asked for: more may have been heard since, but an end before it is that of another log.
   */
  follow(queue: string, epoch: string, position: number, heard?: number): Promise<void> {
    const feed = this.#queues.get(queue);
    if (feed === undefined || feed.epoch !== epoch || position < (heard ?? feed.heard)) {
      if (feed !== undefined) this.#deps.lost(queue);
      this.#queues.set(queue, { epoch, heard: position, told: position, tail: [], catching: undefined });
      return Promise.resolve();
    }
    feed.told = Math.max(feed.told, position);
    return this.#catchUp(queue, feed);
  }

  /** Its log is gone. */
  forget(queue: string): void {
    this.#queues.delete(queue);
  }

  /** A notice that brings an entry. */
  take({ queue, epoch }: Notice, entry: LogEntry): void {
    let feed = this.#queues.get(queue);
    if (feed === undefined || feed.epoch !== epoch) {
      // A queue that is new: from its first change on.
      feed = { epoch, heard: 0, told: 0, tail: [], catching: undefined };
      this.#queues.set(queue, feed);
    }
    if (entry.last <= feed.heard) return;
    feed.told = Math.max(feed.told, entry.last);
    if (entry.start === feed.heard && feed.catching === undefined) this.#deliver(feed, entry);
    else void this.#catchUp(queue, feed);
  }

  /** The entries after a position, if they are at hand. */
  tail(queue: string, epoch: string, after: number): readonly LogEntry[] | undefined {
    const feed = this.#queues.get(queue);
    if (feed === undefined || feed.epoch !== epoch || after > feed.heard) return undefined;
    const first = feed.tail[0];
    if (after === feed.heard) return [];
    if (first === undefined || after < first.start) return undefined;
    let from = feed.tail.length;
    while (from > 0 && (feed.tail[from - 1] as LogEntry).last > after) from--;
    return feed.tail.slice(from);
  }

  /** How far a queue was heard; undefined: it is not followed. */
  heard(queue: string): { readonly epoch: string; readonly position: number } | undefined {
    const feed = this.#queues.get(queue);
    return feed && { epoch: feed.epoch, position: feed.heard };
  }

  #deliver(feed: QueueFeed, entry: LogEntry): void {
    feed.heard = entry.last;
    feed.tail.push(entry);
    const oldest = feed.tail[0];
    // Dropped by halves: one at a time would move the rest each time.
    if (oldest !== undefined && entry.last - oldest.start > 2 * this.#tailSize) {
      feed.tail = feed.tail.filter(({ last }) => last > entry.last - this.#tailSize);
    }
    this.#deps.deliver(entry);
  }

  #catchUp(queue: string, feed: QueueFeed): Promise<void> {
    if (feed.heard >= feed.told) return feed.catching ?? Promise.resolve();
    feed.catching ??= this.#read(queue, feed)
      .catch((error) => this.#deps.failed(error))
      .finally(() => {
        feed.catching = undefined;
      });
    return feed.catching;
  }

  async #read(queue: string, feed: QueueFeed): Promise<void> {
    while (feed.heard < feed.told && this.#queues.get(queue) === feed) {
      const entries = await this.#deps.read(queue, feed.heard, CATCH_UP);
      if (this.#queues.get(queue) !== feed) return;
      const [first] = entries;
      // The log is shorter than what was missed, or has lost its end.
      if (first === undefined || first.start > feed.heard) {
        feed.tail = [];
        feed.heard = first?.start ?? feed.told;
        this.#deps.lost(queue);
      }
      for (const entry of entries) {
        if (entry.start === feed.heard) this.#deliver(feed, entry);
        else if (entry.last > feed.heard) this.#deliver(feed, remainder(entry, feed.heard));
      }
    }
  }
}

/** The part of an entry after a position. */
function remainder(entry: LogEntry, after: number): LogEntry {
  const lines = linesOf(entry.text).slice(after - entry.start);
  const text = lines.map((line) => `${line}\n`).join("");
  return new LogEntry(entry.queue, entry.last, entry.last - after, entry.at, text, entry.concernsWorkers);
}
