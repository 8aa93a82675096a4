import type { Job } from "../../model/job/job.js";
import type { Queue } from "../../model/queue/queue.js";
import type { Change } from "../port/changes.js";

/** A watcher that was sent nothing for this long gets a heartbeat, ms. */
export const HEARTBEAT_MS = 15_000;

/** Delay before an unreachable backend is asked again, ms. Watches survive its absence. */
export const AWAY_MS = 1000;

/** A message of a watch: a heartbeat, or an event. `at` is in ms since 1970. */
export type WatchEvent<T> = { readonly kind: "heartbeat"; readonly at: number } | ({ readonly kind: "event" } & T);

/** A message of a watch of one job. */
export type JobEvent = WatchEvent<{ readonly job: Job }>;

/** A message of `watchJobs`; `cursor` is the position in the change log after it. */
export type JobsEvent = WatchEvent<{ readonly change: Change }> & { readonly cursor: string };

/** Figures of queues, at one moment. */
export interface QueuesEvent {
  readonly kind: "event";
  /** Ms since 1970. */
  readonly at: number;
  /** By name: all that are watched or, for a watcher that wants changes only, those that it was not told as they are. */
  readonly queues: readonly Queue[];
  /** With changes only: the queues that it was told and that are gone. */
  readonly gone: readonly string[];
  /** With changes only: whether another event with queues of the same moment follows. */
  readonly hasMore: boolean;
}

/** A message of a watch of queues. */
export type QueuesWatchEvent = { readonly kind: "heartbeat"; readonly at: number } | QueuesEvent;
