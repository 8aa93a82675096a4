import type { Change, ChangeBatch } from "../../../core/backend.js";
import { readChanges } from "../scripts/layout.js";

/** One entry of a queue's change log: what one script call did. Its changes are read when somebody wants them. */
export class LogEntry implements ChangeBatch {
  #changes: readonly Change[] | undefined;

  /** `last` is the number of its last change, `count` how many it has, `at` when it was written, ms since 1970. */
  constructor(
    readonly queue: string,
    readonly last: number,
    readonly count: number,
    readonly at: number,
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
}

/** What a script said it did, on the channel. */
export interface Notice {
  readonly queue: string;
  /** Names the log that `position` is one of; 0 when nothing was logged. */
  readonly epoch: string;
  /** Time of the script, ms since 1970. */
  readonly at: number;
  /** Something is due in so many ms; undefined: nothing that was not known. */
  readonly dueInMs: number | undefined;
  readonly isReady: boolean;
  readonly queuesChanged: boolean;
  /** Who swept the queue, when it was that. */
  readonly sweeper: string | undefined;
  readonly entry: LogEntry | undefined;
}

/** Reads a message of the channel; undefined when it is none of ours. */
export function readNotice(message: string): Notice | undefined {
  const end = message.indexOf("\n");
  const [queue, epoch, position, count, at, dueIn, flags, sweeper] = message.slice(0, Math.max(0, end)).split(" ");
  if (queue === undefined || epoch === undefined || flags === undefined) return undefined;
  const entry =
    Number(count) > 0
      ? new LogEntry(queue, Number(position), Number(count), Number(at), message.slice(end + 1), flags.includes("w"))
      : undefined;
  return {
    queue,
    epoch,
    at: Number(at),
    dueInMs: Number(dueIn) >= 0 ? Number(dueIn) : undefined,
    isReady: flags.includes("r"),
    queuesChanged: flags.includes("q"),
    sweeper: sweeper === "-" ? undefined : sweeper,
    entry,
  };
}

/** Reads an entry of the log, which is the message that told of it. */
export function readEntry([id, fields]: readonly [string, readonly string[]]): LogEntry {
  const entry = readNotice(fields[1] ?? "")?.entry;
  if (entry === undefined) throw new Error(`entry ${id} of a change log cannot be read`);
  return entry;
}
