import type { Payload } from "../../model/job/job.js";

/** What one commit writes. Each list is flat: the columns of its rows one after the other, as in `schema.ts`. */
export interface Batch {
  /** Batches are numbered from 1, in the order in which they are to be written. */
  readonly number: number;
  /** Queues that are gone, before anything else is written. */
  readonly goneQueues: readonly string[];
  readonly queues: readonly string[];
  /** Ids of jobs that are gone; they go before the rest is written. */
  readonly goneJobs: readonly string[];
  readonly jobs: readonly (Payload | null)[];
  readonly states: readonly (Payload | null)[];
  readonly requestIds: readonly (string | number)[];
  readonly leaseRequests: readonly (string | number)[];
  /** Schedules that are gone, as queue and name; they go before others are written. */
  readonly goneSchedules: readonly string[];
  readonly schedules: readonly string[];
  /** Entries of the change log, as JSON texts; `firstChange` is the position of the first. */
  readonly changes: readonly string[];
  readonly firstChange: number;
  /** Entries before this position are no longer needed. */
  readonly oldestChange: number;
  /** Ms since 1970: what was to be remembered until then is forgotten. */
  readonly now: number;
}

/** What survives: `power`: a commit is on the disk before it counts; `process`: it is with the operating system. */
export type Durability = "power" | "process";

/** All ways to be durable. */
export const DURABILITIES: readonly Durability[] = ["power", "process"];

/** Where the store is, and how it is written. */
export interface Place {
  readonly folder: string;
  readonly durability: Durability;
  /** The name of the change log of a new store. */
  readonly logName: string;
}

/** What the writer is asked. */
export type Request =
  /** Opens the store; it answers `opened`, then a `chunk` for each `more`. */
  | { readonly kind: "open"; readonly place: Place }
  /** Opens the store again after a fault; it answers `reopened`. */
  | { readonly kind: "reopen"; readonly place: Place }
  | { readonly kind: "more" }
  | { readonly kind: "write"; readonly batch: Batch }
  /** Writes what it still has, and lets go of the folder; it answers `closed`. */
  | { readonly kind: "close" };

/** What a store had when it was opened. */
export interface Opened {
  readonly kind: "opened";
  /** Number of this process among those that have opened the store, from 1. */
  readonly boot: number;
  readonly logName: string;
  /** The number of jobs to come. */
  readonly jobs: number;
}

/** Rows of a table, flat. */
export interface Chunk {
  readonly kind: "chunk";
  readonly table: "queues" | "jobs" | "schedules" | "requestIds" | "leaseRequests" | "changes" | "end";
  readonly values: readonly (Payload | number | null)[];
}

/** What the writer says. */
export type Reply =
  | Opened
  | Chunk
  | { readonly kind: "reopened" }
  /** This batch and all before are in the file: they survive the process. */
  | { readonly kind: "written"; readonly number: number }
  /** They survive what `Durability` says. */
  | { readonly kind: "synced"; readonly number: number }
  /** Something could not be written. Nothing is written any more until it is opened again. */
  | { readonly kind: "failed"; readonly message: string }
  /** The store cannot be used, and waiting will not help. */
  | { readonly kind: "unusable"; readonly message: string }
  | { readonly kind: "closed" };

/** A store that writes batches, and its answers. */
export interface Writer {
  send(request: Request): void;
  /** Called with each reply. */
  onReply: (reply: Reply) => void;
}
