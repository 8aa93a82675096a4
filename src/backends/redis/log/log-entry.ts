import type { Change } from "../../../core/port/changes.js";
import { readChanges } from "../layout/codec-state.js";
import type { CompletedFigure } from "../queues/completed-bytes.js";
import type { ListChange } from "../queues/queue-registry.js";

/** One entry of a queue's change log: the changes of one script call, parsed on first use. */
export class LogEntry {
  #changes: readonly Change[] | undefined;
  /** The how manieth entry that this process delivered it was; 0: it was not yet. */
  number = 0;

  /**
   * `last`: number of its last change; `count`: how many it has; `at`: when it was written, ms since 1970; `stamp`: its stamp,
   * microseconds of the clock of its master; those of a log rise.
   */
  constructor(
    readonly queue: string,
    readonly last: number,
    readonly count: number,
    readonly at: number,
    readonly stamp: number,
    readonly text: string,
    readonly concernsWorkers: boolean,
  ) {}

  /** The position before its first change. */
  get start(): number {
    return this.last - this.count;
  }

  get changes(): readonly Change[] {
    this.#changes ??= readChanges(this.queue, this.at, this.text);
    return this.#changes;
  }

  /** Lets go of the parsed changes: an entry may be kept for long, and nobody read it again. */
  unparse(): void {
    this.#changes = undefined;
  }
}

/** A message of the channel: what one script call did. */
export interface Notice {
  readonly queue: string;
  /** Epoch of the log that `entry` is part of; "0" in notices about the list of queues, which bring no entry. */
  readonly epoch: string;
  /** When the script ran, ms since 1970. */
  readonly at: number;
  /** Ms until something new is due; undefined when the call made nothing due. */
  readonly dueInMs: number | undefined;
  /** Position of the log after it; 0: it brings no change. */
  readonly position: number;
  /** The types of which jobs may be ready, as in the message; undefined: none are. */
  readonly ready: string | undefined;
  /** The types of which no job is ready any more, as in the message. */
  readonly gone: string;
  /** The server that called; `-` when it is not known. */
  readonly from: string;
  /** What the finished jobs of the queue take; undefined when that has not changed, or is not told. */
  readonly completed: CompletedFigure | undefined;
  readonly queuesChanged: boolean;
  /** The change of the list of queues that this tells; undefined in notices about a queue itself. */
  readonly listed: ListChange | undefined;
  /** The server that swept the queue, when the call was a sweep. */
  readonly sweeper: string | undefined;
  readonly entry: LogEntry | undefined;
}

/** Parses a message of the channel; undefined when it is not a notice. */
export function readNotice(message: string): Notice | undefined {
  const end = message.indexOf("\n");
  const words = message.slice(0, Math.max(0, end)).split(" ");
  const [
    queue,
    epoch,
    position,
    count,
    at,
    dueIn,
    flags,
    sweeper,
    ready,
    gone = "-",
    from = "-",
    stamp,
    completed = "-",
  ] = words;
  if (queue === undefined || epoch === undefined || flags === undefined) return undefined;
  const entry = Number(count) > 0 ? toEntry() : undefined;
  function toEntry(): LogEntry {
    const [last, changes, ms] = [Number(position), Number(count), Number(at)];
    // Older servers write no stamps.
    const micros = stamp === undefined ? ms * 1000 : Number(stamp);
    return new LogEntry(
      queue as string,
      last,
      changes,
      ms,
      micros,
      message.slice(end + 1),
      flags?.includes("w") === true,
    );
  }
  return {
    queue,
    epoch,
    at: Number(at),
    dueInMs: Number(dueIn) >= 0 ? Number(dueIn) : undefined,
    position: Number(count) > 0 ? Number(position) : 0,
    // Older servers name no types.
    ready: flags.includes("r") ? (ready ?? "*") : undefined,
    gone,
    from,
    completed: completed === "-" ? undefined : readCompleted(completed),
    queuesChanged: flags.includes("q"),
    listed: epoch === "0" && flags.includes("q") ? readListChange(queue, message.slice(end + 1)) : undefined,
    sweeper: sweeper === "-" ? undefined : sweeper,
    entry,
  };
}

/** Parses what a message tells of finished jobs. */
export function readCompleted(word: string): CompletedFigure {
  const [bytes, oldest = ""] = word.split(",");
  return { bytes: Number(bytes), oldest: oldest === "" ? undefined : Number(oldest) };
}

/** Parses the second line of a notice about the list; see `TELL` in scripts/registry.ts. */
function readListChange(name: string, line: string): ListChange | undefined {
  const [, version, sign, number, weight] = /^(\d+) ([+-])(\d+)(?::(\d+))?\n$/.exec(line) ?? [];
  if (number === undefined) return undefined;
  const entry = sign === "+" ? { stamp: number, weight: Number(weight) } : undefined;
  return { name, version: Number(version), entry, keptUntil: entry === undefined ? Number(number) : 0 };
}

/** Parses an entry of the stream: it holds the message that was published for it. */
export function readEntry([id, fields]: readonly [string, readonly string[]]): LogEntry {
  const entry = readNotice(fields[1] ?? "")?.entry;
  if (entry === undefined) throw new Error(`entry ${id} of a change log cannot be read`);
  return entry;
}
