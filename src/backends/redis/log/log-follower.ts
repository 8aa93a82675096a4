import { linesOf } from "../scripts/layout.js";
import { LogEntry, type Notice } from "./log-entry.js";

/** Changes kept of each queue, at the most, for readers that are close behind. */
const MAX_TAIL = 5000;

/** Entries read at once where some were missed. */
const CATCH_UP = 100;

interface FollowedQueue {
  epoch: string;
  /** The number of the last change that was handed on. */
  heard: number;
  /** A later one that was told of while earlier ones were missing. */
  told: number;
  tail: LogEntry[];
  catching: Promise<void> | undefined;
}

/** What a followed stands on. */
export interface LogFollowerDeps {
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
export class LogFollower {
  readonly #deps: LogFollowerDeps;
  readonly #tailSize: number;
  readonly #queues = new Map<string, FollowedQueue>();

  constructor(deps: LogFollowerDeps) {
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
    const followed = this.#queues.get(queue);
    if (followed === undefined || followed.epoch !== epoch || position < (heard ?? followed.heard)) {
      if (followed !== undefined) this.#deps.lost(queue);
      this.#queues.set(queue, { epoch, heard: position, told: position, tail: [], catching: undefined });
      return Promise.resolve();
    }
    followed.told = Math.max(followed.told, position);
    return this.#catchUp(queue, followed);
  }

  /** Its log is gone. */
  forget(queue: string): void {
    this.#queues.delete(queue);
  }

  /** A notice that brings an entry. */
  take({ queue, epoch }: Notice, entry: LogEntry): void {
    let followed = this.#queues.get(queue);
    if (followed === undefined || followed.epoch !== epoch) {
      // A queue that is new: from its first change on.
      followed = { epoch, heard: 0, told: 0, tail: [], catching: undefined };
      this.#queues.set(queue, followed);
    }
    if (entry.last <= followed.heard) return;
    followed.told = Math.max(followed.told, entry.last);
    if (entry.start === followed.heard && followed.catching === undefined) this.#deliver(followed, entry);
    else void this.#catchUp(queue, followed);
  }

  /** The entries after a position, if they are at hand. */
  tail(queue: string, epoch: string, after: number): readonly LogEntry[] | undefined {
    const followed = this.#queues.get(queue);
    if (followed === undefined || followed.epoch !== epoch || after > followed.heard) return undefined;
    const first = followed.tail[0];
    if (after === followed.heard) return [];
    if (first === undefined || after < first.start) return undefined;
    let from = followed.tail.length;
    while (from > 0 && (followed.tail[from - 1] as LogEntry).last > after) from--;
    return followed.tail.slice(from);
  }

  /** How far a queue was heard; undefined: it is not followed. */
  heard(queue: string): { readonly epoch: string; readonly position: number } | undefined {
    const followed = this.#queues.get(queue);
    return followed && { epoch: followed.epoch, position: followed.heard };
  }

  #deliver(followed: FollowedQueue, entry: LogEntry): void {
    followed.heard = entry.last;
    followed.tail.push(entry);
    const oldest = followed.tail[0];
    // Dropped by halves: one at a time would move the rest each time.
    if (oldest !== undefined && entry.last - oldest.start > 2 * this.#tailSize) {
      followed.tail = followed.tail.filter(({ last }) => last > entry.last - this.#tailSize);
    }
    this.#deps.deliver(entry);
  }

  #catchUp(queue: string, followed: FollowedQueue): Promise<void> {
    if (followed.heard >= followed.told) return followed.catching ?? Promise.resolve();
    followed.catching ??= this.#read(queue, followed)
      .catch((error) => this.#deps.failed(error))
      .finally(() => {
        followed.catching = undefined;
      });
    return followed.catching;
  }

  async #read(queue: string, followed: FollowedQueue): Promise<void> {
    while (followed.heard < followed.told && this.#queues.get(queue) === followed) {
      const entries = await this.#deps.read(queue, followed.heard, CATCH_UP);
      if (this.#queues.get(queue) !== followed) return;
      const [first] = entries;
      // The log is shorter than what was missed, or has lost its end.
      if (first === undefined || first.start > followed.heard) {
        followed.tail = [];
        followed.heard = first?.start ?? followed.told;
        this.#deps.lost(queue);
      }
      for (const entry of entries) {
        if (entry.start === followed.heard) this.#deliver(followed, entry);
        else if (entry.last > followed.heard) this.#deliver(followed, remainder(entry, followed.heard));
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
