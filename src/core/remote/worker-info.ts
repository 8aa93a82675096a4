/** How a worker gets its jobs: inside the server process, by a stream, or by polls. */
export type WorkerKind = "BUILT_IN" | "STREAM" | "POLL";

/** A worker as this server knows it. */
export interface WorkerInfo {
  /**
   * Unique on this server. A later worker has a larger id, by `compareNumbers`. A worker with several streams has the id of
   * the oldest.
   */
  readonly id: string;
  /** The name it leases under. */
  readonly name: string;
  readonly kind: WorkerKind;
  /** The queues it takes jobs from, by name or as `prefix*`. Empty: all. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  /** Most jobs it takes: at the same time, on all its streams together, or with one poll. */
  readonly capacity: number;
  /** Ids of the jobs it holds a lease of. */
  readonly jobIds: readonly string[];
  readonly leaseMs: number;
  /** When this server first knew it, ms since 1970. */
  readonly since: number;
}
