/** In which order the ready jobs of a queue are handed out; see `compareReady`. */
export type QueueOrdering = "PRIORITY" | "RUN_AFTER";

/** What can be changed on a queue. */
export interface QueueSettings {
  readonly ordering: QueueOrdering;
  /** Share under the policies `weighted` and `strict`, from 1. */
  readonly weight: number;
  /** Most jobs RUNNING at once on all servers; 0: no limit. */
  readonly maxConcurrency: number;
  /** Most jobs PENDING at once; 0: no limit. Retries and jobs given back always fit. */
  readonly maxDepth: number;
}

/** The settings of a queue made without any. */
export const DEFAULT_QUEUE_SETTINGS: QueueSettings = {
  ordering: "PRIORITY",
  weight: 1,
  maxConcurrency: 0,
  maxDepth: 0,
};

/** The queue that always exists. */
export const DEFAULT_QUEUE = "default";

/** The figures of a queue at one moment. */
export interface QueueStats {
  readonly ready: number;
  readonly scheduled: number;
  readonly running: number;
  readonly dead: number;
  readonly done: number;
  /** Ms since the oldest ready job became ready; undefined when none is ready. */
  readonly oldestReadyAgeMs: number | undefined;
  /** Jobs that became DONE since the queue was created; never shrinks. */
  readonly completed: number;
}

/** A named line of jobs. */
export interface Queue {
  readonly name: string;
  readonly settings: QueueSettings;
  readonly paused: boolean;
  /** Ms since 1970. */
  readonly createdAt: number;
  readonly stats: QueueStats;
}

/** What the order of ready jobs looks at. */
export interface ReadyKey {
  readonly priority: number;
  readonly runAfter: number;
  readonly createdAt: number;
  readonly id: string;
}
