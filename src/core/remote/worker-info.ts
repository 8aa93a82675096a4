/** How a worker takes its jobs: inside the server, by a stream, by polls. */
export type WorkerKind = "BUILT_IN" | "STREAM" | "POLL";

/** Somebody who runs jobs, as this server knows it. */
export interface WorkerInfo {
  /** Unique on this server; later ones are larger, by `compareIds`. */
  readonly id: string;
  /** The name it leases under. */
  readonly name: string;
  readonly kind: WorkerKind;
  /** Empty: all. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  /** Most jobs at the same time. */
  readonly capacity: number;
  /** Jobs that it runs. */
  readonly jobIds: readonly string[];
  readonly leaseMs: number;
  /** Since when it is known, ms since 1970. */
  readonly since: number;
}
