import { linesOf } from "../layout/codec.js";
import { LogEntry, type Notice } from "./log-entry.js";

/** Most changes of each queue kept in this process, for readers that are close behind. */
const MAX_TAIL = 5000;

/** Entries that one read fetches where some were missed. */
const CATCH_UP = 100;

interface FollowedQueue {
  epoch: string;
  /** Number of the last change that was delivered. */
  heard: number;
  /** Number of the last change known to exist; more than `heard` while earlier ones are missing. */
  told: number;
  tail: LogEntry[];
  /** Whether the queue was deleted: hardly anybody reads its tail again. */
  isGone: boolean;
  catching: Promise<void> | undefined;
}

/** Dependencies of a log follower. */
export interface LogFollowerDeps {
  /** Changes that a log keeps. */
  readonly logSize: number;
  /** Reads up to `count` entries after a position from Redis, oldest first. */
  readonly read: (queue: string, after: number, count: number) => Promise<LogEntry[]>;
  /** Called with the entries of each queue in order, each once. */
  readonly deliver: (entry: LogEntry) => void;
  /** Called when some entries are gone for good: readers must look at the jobs themselves. */
  readonly lost: (queue: string) => void;
  /** Called when missed entries could not be read; the next notice tries again. */
  readonly failed: (error: unknown) => void;
}

/**
 * Turns notices, some of which may get lost, into the complete log: in order, without a gap, each entry once. Entries
 * that no notice brought are read from Redis. Keeps the tail of each log for readers in this process.
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
   * Follows a queue from the end of its log, or catches up with that end when the queue was followed before. `heard` is
   * the position this follower was at when the end was asked for: it may be further by now, but an end before `heard`
   * means that the log is another one.
   */
  follow(queue: string, epoch: string, position: number, heard?: number): Promise<void> {
    const followed = this.#queues.get(queue);
    if (followed === undefined || followed.epoch !== epoch || position < (heard ?? followed.heard)) {
      if (followed !== undefined) this.#deps.lost(queue);
      this.#queues.set(queue, newlyFollowed(epoch, position));
      return Promise.resolve();
    }
    followed.told = Math.max(followed.told, position);
    return this.#catchUp(queue, followed);
  }

  /** Keeps only the position of a queue that was deleted: those of its changes that are still to come are not new. */
  left(queue: string): void {
    const followed = this.#queues.get(queue);
    if (followed === undefined) return;
    followed.isGone = true;
    followed.tail = [];
  }

  /** Keeps the tail of a queue again, which was created anew and may go on with its old log. */
  entered(queue: string): void {
    const followed = this.#queues.get(queue);
    if (followed !== undefined) followed.isGone = false;
  }

  /** Stops following a queue whose log is gone. */
  forget(queue: string): void {
    this.#queues.delete(queue);
  }

  /** Takes the entry of a notice: delivers it, or first reads the missing ones before it. */
  take({ queue, epoch }: Notice, entry: LogEntry): void {
    let followed = this.#queues.get(queue);
    if (followed === undefined || followed.epoch !== epoch) {
      // A new queue: followed from its first change on.
      followed = newlyFollowed(epoch, 0);
      this.#queues.set(queue, followed);
    }
    if (entry.last <= followed.heard) return;
    followed.told = Math.max(followed.told, entry.last);
    if (entry.start === followed.heard && followed.catching === undefined) this.#deliver(followed, entry);
    else void this.#catchUp(queue, followed);
  }

  /** The entries after a position; undefined when they are not, or not all, kept in this process. */
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

  /** The position up to which a queue was delivered; undefined when it is not followed. */
  heard(queue: string): { readonly epoch: string; readonly position: number } | undefined {
    const followed = this.#queues.get(queue);
    return followed && { epoch: followed.epoch, position: followed.heard };
  }

  #deliver(followed: FollowedQueue, entry: LogEntry): void {
    followed.heard = entry.last;
    if (!followed.isGone) followed.tail.push(entry);
    const oldest = followed.tail[0];
    // Half is dropped at once: dropping one at a time would move the rest each time.
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
      // The missed entries were trimmed from the log, or the log has lost its end.
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

function newlyFollowed(epoch: string, position: number): FollowedQueue {
  return { epoch, heard: position, told: position, tail: [], isGone: false, catching: undefined };
}

/** The part of an entry after a position. */
function remainder(entry: LogEntry, after: number): LogEntry {
  const lines = linesOf(entry.text).slice(after - entry.start);
  const text = lines.map((line) => `${line}\n`).join("");
  return new LogEntry(entry.queue, entry.last, entry.last - after, entry.at, text, entry.concernsWorkers);
}
