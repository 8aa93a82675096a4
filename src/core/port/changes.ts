import type { JobState, JobStatus } from "../../model/job/job.js";
import type { QueuePatterns } from "../../model/queue/queue-patterns.js";

/** Changes that are reported together. */
export interface ChangeBatch {
  /** May be a getter that decodes the changes, so read it only if they are needed. */
  readonly changes: readonly Change[];
  /** Whether they may concern a worker that did not cause them: a cancel was requested, or a lease was lost. */
  readonly concernsWorkers: boolean;
  /** The queue of all of its changes; undefined: they may be of several. */
  readonly queue?: string | undefined;
  /** Batches are numbered from 1, as they are told. One that no watcher of the log follows may have the number of the one before. */
  readonly number: number;
  /**
   * The cursor after the first `count` changes of this batch and all of the batches before, for a watch of these queues
   * (undefined: of all). Undefined after `interrupted`. To be called only while the batch is being told.
   */
  cursor(count: number, queues: ReadonlySet<string> | undefined): string | undefined;
}

/** An entry of the change log: the state of a job after the change. Its `error` is cut to 256 characters. */
export interface Change extends JobState {
  readonly jobId: string;
  readonly queue: string;
  readonly type: string;
  readonly priority: number;
  /** Whether the job was deleted. The other fields are then its last state, with the next revision and `updatedAt`. */
  readonly deleted: boolean;
}

/** Selects changes; an undefined set matches all. */
export interface ChangeFilter {
  readonly queues?: ReadonlySet<string> | undefined;
  /** Only of these queues: for somebody who watches all and may reach no others. Not together with `queues`. */
  readonly within?: QueuePatterns | undefined;
  readonly types?: ReadonlySet<string> | undefined;
  readonly statuses?: ReadonlySet<JobStatus> | undefined;
}

/**
 * What somebody of this process watches: a job, the change log of a queue, or when the jobs of a queue change but not which. An undefined
 * queue: of all.
 */
export type Followed =
  | { readonly of: "job"; readonly id: string }
  | { readonly of: "changes" | "counts"; readonly queue: string | undefined };

/** A page of the change log. */
export interface ChangePage {
  /** The matching changes, each with the cursor after it. */
  readonly entries: readonly { readonly change: Change; readonly cursor: string }[];
  /** The cursor to continue from. */
  readonly next: string;
  /** Whether the log has more to read now. */
  readonly more: boolean;
  /** The number of the batch that the listener was told last, if the page ends right after that, else undefined. */
  readonly told: number | undefined;
}
