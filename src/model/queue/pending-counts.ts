/** How many PENDING jobs of a queue wait for what. */
export interface PendingCounts {
  /** PENDING jobs that a worker would get if it asked. Of a paused queue too. */
  readonly ready: number;
  /** PENDING jobs that wait for their `runAfter`: created with it or with a delay, or released with one. */
  readonly scheduled: number;
  /** PENDING jobs that wait out a backoff, or how long their worker said that the retry is to wait. */
  readonly retrying: number;
  /** PENDING jobs whose time has come, and which a limit of the queue holds back. */
  readonly limited: number;
}

/** How many jobs of a queue are PENDING: its depth, which `maxDepth` bounds. */
export function pendingCount({ ready, scheduled, retrying, limited }: PendingCounts): number {
  return ready + scheduled + retrying + limited;
}
