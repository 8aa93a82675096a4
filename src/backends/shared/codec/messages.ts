import type { QueueName } from "../../../core/backend.js";
import type { Taken } from "../../../model/queue/taken.js";
import type { WrittenChange } from "./changes.js";
import type { WrittenError } from "./errors.js";

/** Both ends must speak the same: counted up when a message changes its form. */
export const VERSION = 3;

/** What a server asks of the store: the number of the call, 0 for one without an answer, its name, and what it takes. */
export type Request = readonly [call: number, method: string, args: unknown];

/** What a call is answered: its number, and its result or, in its place, why it failed. */
export type Answer = readonly [call: number, result: unknown, error?: WrittenError];

/** What the first call of a connection, `hello`, takes. */
export interface Hello {
  readonly version: number;
  readonly taken: readonly Taken[] | undefined;
}

/** And what it is answered. */
export interface Welcome {
  readonly version: number;
  /** Random name of this run of the store. */
  readonly boot: string;
  readonly kind: string;
  readonly durable: boolean;
  /** Node id for the ids of this server: no other that is connected has it. */
  readonly node: number;
  /** All of its ids are larger than this. */
  readonly after: string;
  /** Sorted by name. */
  readonly queues: readonly QueueName[];
  readonly isAvailable: boolean;
}

/** What the store tells by itself. 0 stands where answers have their call. */
export type Notice =
  /** Jobs of the queue may be ready: of these types, or of any. */
  | readonly [0, "ready", queue: string, types: readonly string[] | null]
  | readonly [0, "due", inMs: number]
  /** The changes since the last ones that are followed: the number of the last batch, and the cursors before, between and behind them. */
  | readonly [0, "changes", number: number, changes: readonly WrittenChange[], cursors: readonly string[]]
  /** A change of a job that is followed by itself, or that concerns workers here. */
  | readonly [0, "concerns", change: WrittenChange]
  /** What is followed of the log was told up to this batch and the cursor behind it, as far as it was followed then. */
  | readonly [0, "told", number: number, cursor: string | null]
  /** Jobs of these queues have changed, whose figures are followed. */
  | readonly [0, "counts", queues: readonly string[]]
  /** A queue is there with this weight, or (null) not any more. */
  | readonly [0, "queue", name: string, weight: number | null]
  | readonly [0, "available", isAvailable: boolean]
  /** Notices were left out, and those to come are not; `queues` follows. */
  | readonly [0, "missed", isAvailable: boolean]
  /** All queues, sorted by name; jobs of each may be ready. */
  | readonly [0, "queues", queues: readonly QueueName[]];

/** A kind of notice by its name. */
export type NoticeOf<Name extends Notice[1]> = Extract<Notice, readonly [0, Name, ...unknown[]]>;
