/**
 * What a PENDING job waits for.
 *
 * | state     | when                                                                                                    |
 * |-----------|---------------------------------------------------------------------------------------------------------|
 * | READY     | its time has come: a worker that asks gets it, unless its queue is paused                               |
 * | SCHEDULED | it waits for its `runAfter`: created with that or a delay, released with a delay, or changed            |
 * | RETRYING  | it waits out a backoff after a failed attempt, or how long its worker said that the retry is to wait    |
 * | LIMITED   | its time has come, and a limit of its queue holds it back                                               |
 *
 * It is of the moment at which the job was read: that a time comes is no change of the job.
 */
export type PendingState = "READY" | "SCHEDULED" | "RETRYING" | "LIMITED";

/** All of them, in the order of the protos. */
export const PENDING_STATES: readonly PendingState[] = ["READY", "SCHEDULED", "RETRYING", "LIMITED"];

/** Why no worker gets a job whose time has come: its queue is paused, or that limit of its queue. */
export type HeldBy = "PAUSED" | "RATE_LIMIT" | "MAX_CONCURRENCY" | "MAX_CONCURRENCY_PER_KEY";

/** All of them, in the order of the protos; of several the first is told. */
export const HELD_BY: readonly HeldBy[] = ["PAUSED", "RATE_LIMIT", "MAX_CONCURRENCY", "MAX_CONCURRENCY_PER_KEY"];

/** What a job waits for, and what holds it back if its time has come. */
export interface Pending {
  readonly pendingState: PendingState;
  readonly heldBy: HeldBy | undefined;
}
