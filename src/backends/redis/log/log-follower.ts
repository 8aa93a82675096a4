import { linesOf } from "../layout/codec-state.js";
import { Fingerprint, seedOf } from "./fingerprint.js";
import type { Log } from "./frontier.js";
import { LogEntry, type Notice } from "./log-entry.js";

/** Most changes of each queue kept in this process, for readers that are close behind. */
const MAX_TAIL = 5000;

/** Most characters of changes of all queues kept in this process: beyond that the older half is dropped. */
const MAX_TAILS = 16 * 1024 * 1024;

/** Entries that one read fetches where some were missed. */
const CATCH_UP = 100;

/** The end of a log. */
export interface LogEnd {
  readonly epoch: string;
  /** Number of its last change. */
  readonly count: number;
  /** The stamp of that; 0 when there is none. */
  readonly stamp: number;
}

/** The log of a queue, as far as it was delivered. */
export interface FollowedLog extends Log {
  /** Number of the last change that was delivered. */
  readonly heard: number;
  /** The stamp of that; 0 when there is none. */
  readonly stamp: number;
  /** Whether it is of a deleted queue, and nobody is to read it any more. */
  readonly isOver: boolean;
}

interface Followed extends FollowedLog {
  master: string;
  heard: number;
  stamp: number;
  isOver: boolean;
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
  /** Called with the entries of each queue in order, each once; `log` does not stand behind it yet. */
  readonly deliver: (entry: LogEntry, log: FollowedLog) => void;
  /** Called when some entries are gone for good, before anything else is told of the queue: readers must look at the jobs themselves. */
  readonly lost: (queue: string) => void;
  /** Called when missed entries could not be read; the next notice, or `catchUp`, tries again. */
  readonly failed: (error: unknown) => void;
  /** The master that has a queue; see `Log`. */
  readonly masterOf: (queue: string) => string;
  /** Called before entries of one queue may come later than those of others, or not at all. */
  readonly interrupted: () => void;
  /** Called when all queues are caught up with again. */
  readonly resumed: () => void;
  /** Called before a log is over. */
  readonly over: (log: FollowedLog) => void;
}

/**
 * Turns notices, some of which may get lost, into the complete log: in order, without a gap, each entry once. Entries
 * that no notice brought are read from Redis. Keeps the tail of each log for readers in this process.
 */
export class LogFollower {
  readonly #deps: LogFollowerDeps;
  readonly #tailSize: number;
  readonly #queues = new Map<string, Followed>();
  /** The logs of which something is known to be missing. */
  readonly #behind = new Set<Followed>();
  /** Number of reasons to take nothing as complete. */
  #holds = 0;
  #tailsSize = 0;
  #delivered = 0;
  /** Of the positions of all logs that are not over. */
  readonly fingerprint = new Fingerprint();

  constructor(deps: LogFollowerDeps) {
    this.#deps = deps;
    this.#tailSize = Math.min(MAX_TAIL, deps.logSize);
  }

  /** The logs that are followed. */
  get logs(): Iterable<FollowedLog> {
    return this.#queues.values();
  }

  /** Whether nothing is known to be missing. */
  get isComplete(): boolean {
    return this.#holds === 0 && this.#behind.size === 0;
  }

  /** What is delivered from now on may be incomplete, until `release` was called as often. */
  hold(): void {
    this.#interrupt();
    this.#holds++;
  }

  release(): void {
    this.#holds--;
    if (this.isComplete) this.#deps.resumed();
  }

  /** Call when queues have other masters. */
  remaster(): void {
    this.hold();
    for (const followed of this.#queues.values()) followed.master = this.#deps.masterOf(followed.queue);
    this.release();
  }

  /**
   * Follows a queue from the end of its log, or catches up with that end when the queue was followed before. `heard` is
   * the position this follower was at when the end was asked for: it may be further by now, but an end before `heard`
   * means that the log is another one.
   */
  follow(queue: string, end: LogEnd, heard?: number): Promise<void> {
    const followed = this.#followedAs(queue, end.epoch);
    if (followed === undefined || followed.epoch !== end.epoch || end.count < (heard ?? followed.heard)) {
      this.hold();
      if (followed !== undefined) this.#deps.lost(queue);
      this.#set(queue, end);
      this.release();
      return Promise.resolve();
    }
    if (end.count > followed.heard) this.#miss(followed, end.count);
    return this.#catchUp(followed);
  }

  /** Keeps only the position of a queue that was deleted: those of its changes that are still to come are not new. */
  left(queue: string): void {
    const followed = this.#queues.get(queue);
    if (followed === undefined) return;
    followed.isGone = true;
    this.#dropTail(followed);
  }

  /** Keeps the tail of a queue again, which was created anew: it goes on with its old log, or, when that is over, with another one. */
  entered(queue: string): void {
    const followed = this.#queues.get(queue);
    if (followed !== undefined) followed.isGone = false;
  }

  /** Nobody is to read the log of a deleted queue any more. */
  over(queue: string): void {
    const followed = this.#queues.get(queue);
    if (followed === undefined || followed.isOver) return;
    this.#deps.over(followed);
    followed.isOver = true;
    this.fingerprint.move(followed.seed, followed.heard, 0);
    this.#forgive(followed);
  }

  /** Stops following a queue whose log is gone. */
  forget(queue: string): void {
    const followed = this.#queues.get(queue);
    if (followed === undefined) return;
    this.over(queue);
    this.#dropTail(followed);
    this.#queues.delete(queue);
    this.#forgive(followed);
  }

  /** Takes the entry of a notice: delivers it, or first reads the missing ones before it. */
  take({ queue, epoch }: Notice, entry: LogEntry): void {
    let followed = this.#followedAs(queue, epoch);
    if (followed === undefined || followed.epoch !== epoch) {
      // A new queue: followed from its first change on.
      if (followed !== undefined) this.hold();
      const isOther = followed !== undefined;
      followed = this.#set(queue, { epoch, count: 0, stamp: 0 });
      if (isOther) this.release();
    }
    if (entry.last <= followed.heard) return;
    if (entry.start === followed.heard && followed.catching === undefined) this.#deliver(followed, entry);
    else {
      this.#miss(followed, entry.last);
      void this.#catchUp(followed);
    }
  }

  /** Reads what is missing. Rejects when it cannot be read. */
  async catchUp(): Promise<void> {
    for (const followed of [...this.#behind]) {
      await followed.catching;
      if (this.#behind.has(followed)) await this.#read(followed);
    }
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

  /**
   * The position behind the last entry up to a stamp, as far as this process keeps the log; `isSure` is false when it may be an
   * earlier one.
   */
  at(
    { queue, heard, stamp: last }: FollowedLog,
    stamp: number,
  ): { readonly position: number; readonly isSure: boolean } {
    if (last <= stamp) return { position: heard, isSure: true };
    const tail = this.#queues.get(queue)?.tail ?? [];
    for (let at = tail.length - 1; at >= 0; at--) {
      const entry = tail[at] as LogEntry;
      if (entry.stamp <= stamp) return { position: entry.last, isSure: true };
    }
    const position = tail[0]?.start ?? heard;
    return { position, isSure: position === 0 };
  }

  /** The log of a queue, as far as it was delivered; undefined when it is not followed. */
  heard(queue: string): FollowedLog | undefined {
    return this.#queues.get(queue);
  }

  /** The log of a queue that is there, in this epoch. One that was over is dropped for another: nobody misses anything of it. */
  #followedAs(queue: string, epoch: string): Followed | undefined {
    const followed = this.#queues.get(queue);
    if (followed === undefined || !followed.isOver) return followed;
    if (followed.epoch !== epoch) {
      this.#queues.delete(queue);
      this.#forgive(followed);
      return undefined;
    }
    // An older server created the queue anew: it goes on with any log that there is.
    if (!followed.isGone) {
      this.hold();
      followed.isOver = false;
      this.fingerprint.move(followed.seed, 0, followed.heard);
      this.release();
    }
    return followed;
  }

  #set(queue: string, { epoch, count, stamp }: LogEnd): Followed {
    const before = this.#queues.get(queue);
    if (before !== undefined) {
      this.#dropTail(before);
      this.#behind.delete(before);
      if (!before.isOver) this.fingerprint.move(before.seed, before.heard, 0);
    }
    const followed: Followed = {
      ...{ queue, epoch, seed: seedOf(queue, epoch), master: this.#deps.masterOf(queue) },
      ...{ heard: count, told: count, stamp, tail: [], isGone: false, isOver: false, catching: undefined },
    };
    this.#queues.set(queue, followed);
    this.fingerprint.move(followed.seed, 0, count);
    return followed;
  }

  #deliver(followed: Followed, entry: LogEntry): void {
    this.#deps.deliver(entry, followed);
    if (!followed.isOver) this.fingerprint.move(followed.seed, followed.heard, entry.last);
    followed.heard = entry.last;
    followed.told = Math.max(followed.told, entry.last);
    followed.stamp = Math.max(followed.stamp, entry.stamp);
    if (followed.isGone) return;
    entry.number = ++this.#delivered;
    followed.tail.push(entry);
    this.#tailsSize += entry.text.length;
    const oldest = followed.tail[0];
    // Half is dropped at once: dropping one at a time would move the rest each time.
    if (oldest !== undefined && entry.last - oldest.start > 2 * this.#tailSize) {
      this.#trim(followed, ({ last }) => last > entry.last - this.#tailSize);
    }
    if (this.#tailsSize > MAX_TAILS) this.#trimAll();
  }

  /** Drops the entries that were delivered first, until half of what may be kept is left. */
  #trimAll(): void {
    const all = [...this.#queues.values()].flatMap(({ tail }) => tail).sort((a, b) => b.number - a.number);
    let size = 0;
    const last = all.find(({ text }) => {
      size += text.length;
      return size > MAX_TAILS / 2;
    });
    for (const followed of this.#queues.values()) this.#trim(followed, ({ number }) => number > (last?.number ?? 0));
  }

  #trim(followed: Followed, isKept: (entry: LogEntry) => boolean): void {
    const before = followed.tail;
    followed.tail = before.filter(isKept);
    this.#tailsSize -= sizeOf(before) - sizeOf(followed.tail);
  }

  #dropTail(followed: Followed): void {
    this.#trim(followed, () => false);
  }

  #miss(followed: Followed, told: number): void {
    this.#interrupt();
    followed.told = Math.max(followed.told, told);
    this.#behind.add(followed);
  }

  #interrupt(): void {
    if (this.isComplete) this.#deps.interrupted();
  }

  /** Nothing of this log is missing any more. */
  #forgive(followed: Followed): void {
    if (this.#behind.delete(followed) && this.isComplete) this.#deps.resumed();
  }

  #catchUp(followed: Followed): Promise<void> {
    if (followed.heard >= followed.told) return followed.catching ?? Promise.resolve();
    followed.catching ??= this.#read(followed)
      .catch((error) => this.#deps.failed(error))
      .finally(() => {
        followed.catching = undefined;
      });
    return followed.catching;
  }

  async #read(followed: Followed): Promise<void> {
    const { queue } = followed;
    const isCurrent = () => this.#queues.get(queue) === followed;
    while (followed.heard < followed.told && isCurrent()) {
      const entries = await this.#deps.read(queue, followed.heard, CATCH_UP);
      if (!isCurrent()) return;
      const [first] = entries;
      // The missed entries were trimmed from the log, or the log has lost its end.
      if (first === undefined || first.start > followed.heard) {
        this.#deps.lost(queue);
        this.#dropTail(followed);
        const heard = first?.start ?? followed.told;
        if (!followed.isOver) this.fingerprint.move(followed.seed, followed.heard, heard);
        followed.heard = heard;
      }
      for (const entry of entries) {
        // Notices will tell of it: it may be later than what is still to be heard of other queues.
        if (entry.start >= followed.told) break;
        if (entry.start === followed.heard) this.#deliver(followed, entry);
        else if (entry.last > followed.heard) this.#deliver(followed, remainder(entry, followed.heard));
      }
    }
    if (isCurrent()) this.#forgive(followed);
  }
}

function sizeOf(entries: readonly LogEntry[]): number {
  return entries.reduce((sum, { text }) => sum + text.length, 0);
}

/** The part of an entry after a position. */
function remainder(entry: LogEntry, after: number): LogEntry {
  const lines = linesOf(entry.text).slice(after - entry.start);
  const text = lines.map((line) => `${line}\n`).join("");
  const { queue, last, at, stamp, concernsWorkers } = entry;
  return new LogEntry(queue, last, last - after, at, stamp, text, concernsWorkers);
}
