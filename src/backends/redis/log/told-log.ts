import type { BackendListener } from "../../../core/backend.js";
import type { Change, ChangeBatch } from "../../../core/port/changes.js";
import { isNarrow, type Position, scopeOf, writeCursor } from "./cursor.js";
import { Frontier } from "./frontier.js";
import type { LogEntry } from "./log-entry.js";
import type { FollowedLog, LogFollower } from "./log-follower.js";

/** Most logs of a master that are named at first. */
const NAMED = 30;

/** What the listener was told of all logs, as a cursor: where whoever takes what it is told stands. */
export class ToldLog {
  readonly #follower: LogFollower;
  readonly #horizon: () => number;
  /** Undefined while something is missing. */
  #frontier: Frontier | undefined;
  /** Where the frontier stands in the log of the entry that is being told; undefined: before it. */
  #within: number | undefined;
  /** Number of the batch that was told last. */
  number = 0;

  /** `horizon`: as in `LowWater`. */
  constructor(follower: LogFollower, horizon: () => number) {
    this.#follower = follower;
    this.#horizon = horizon;
  }

  /** Tells the listener of an entry. */
  tell(listener: BackendListener | undefined, entry: LogEntry, log: FollowedLog): void {
    this.number++;
    const { heard } = log;
    const batch = new ToldBatch(this, this.number, entry, log);
    listener?.changes(batch);
    batch.end();
    if (!log.isOver) this.#frontier?.move(log, this.#within ?? heard, entry.last, entry.stamp);
    this.#within = undefined;
    entry.unparse();
  }

  /**
   * The cursor behind what was told: of all logs, or of those that a watch of just these queues needs; undefined while something
   * is missing.
   */
  cursor(queues: ReadonlySet<string> | undefined): string | undefined {
    if (this.#frontier === undefined) return undefined;
    return isNarrow(queues) ? this.#narrow(queues) : this.#frontier.write();
  }

  /** The cursor behind a change of the entry that is being told. */
  cursorAt(
    entry: LogEntry,
    log: FollowedLog,
    count: number,
    queues: ReadonlySet<string> | undefined,
  ): string | undefined {
    if (this.#frontier === undefined || log.isOver) return undefined;
    if (isNarrow(queues)) return this.#narrow(queues, log, count);
    // Watchers with other filters ask for the same one: it is written once.
    if (this.#within !== count) this.#frontier.move(log, this.#within ?? log.heard, count, entry.stamp);
    this.#within = count;
    return this.#frontier.write();
  }

  /** From now on something is missing. */
  interrupt(): void {
    this.#frontier = undefined;
  }

  /** Nothing is missing any more. */
  resume(): void {
    const byMaster = new Map<string, FollowedLog[]>();
    for (const log of this.#follower.logs) {
      if (log.heard === 0 || log.isOver) continue;
      const logs = byMaster.get(log.master);
      if (logs === undefined) byMaster.set(log.master, [log]);
      else logs.push(log);
    }
    const frontier = new Frontier(this.#follower.fingerprint.copy(), new Map(), this.#horizon);
    this.#frontier = frontier;
    for (const logs of byMaster.values()) {
      if (logs.length > NAMED) logs.sort((a, b) => b.stamp - a.stamp);
      for (const [at, log] of logs.entries()) {
        if (at < NAMED) frontier.name(log, log.heard, log.stamp);
        else frontier.leave(log, log.stamp);
      }
    }
  }

  /** A log will be over. */
  over(log: FollowedLog): void {
    this.#frontier?.drop(log, log.heard);
  }

  #narrow(queues: ReadonlySet<string>, moved?: FollowedLog, count = 0): string {
    return writeNarrow(queues, (queue) => {
      const log = this.#follower.heard(queue);
      if (log === undefined || log.isOver) return undefined;
      return { epoch: log.epoch, count: log === moved ? count : log.heard };
    });
  }
}

/** Writes a cursor for a watch of just these queues, whose logs stand there. */
export function writeNarrow(queues: ReadonlySet<string>, at: (queue: string) => Position | undefined): string {
  const positions: [string, Position][] = [];
  for (const queue of queues) {
    const position = at(queue);
    if (position !== undefined && position.count > 0) positions.push([queue, position]);
  }
  return writeCursor(positions, undefined, scopeOf(queues));
}

/** The changes of an entry, as they are told. */
class ToldBatch implements ChangeBatch {
  readonly #told: ToldLog;
  readonly #entry: LogEntry;
  readonly #log: FollowedLog;
  /** Cursors before the entry, as they were when it began: of all logs. */
  readonly #before: { text: string | undefined; isKnown: boolean } = { text: undefined, isKnown: false };
  #isOver = false;

  constructor(
    told: ToldLog,
    readonly number: number,
    entry: LogEntry,
    log: FollowedLog,
  ) {
    this.#told = told;
    this.#entry = entry;
    this.#log = log;
  }

  get changes(): readonly Change[] {
    return this.#entry.changes;
  }

  get queue(): string {
    return this.#entry.queue;
  }

  get concernsWorkers(): boolean {
    return this.#entry.concernsWorkers;
  }

  cursor(count: number, queues: ReadonlySet<string> | undefined): string | undefined {
    if (this.#isOver) return undefined;
    const isAll = !isNarrow(queues);
    // Behind its changes what was before it cannot be told any more.
    if (isAll && !this.#before.isKnown) {
      this.#before.text = this.#told.cursor(undefined);
      this.#before.isKnown = true;
    }
    if (count === 0 && isAll) return this.#before.text;
    return this.#told.cursorAt(this.#entry, this.#log, this.#entry.start + count, queues);
  }

  end(): void {
    this.#isOver = true;
  }
}
