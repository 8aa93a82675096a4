import type { BackoffRequest } from "../job/backoff.js";
import type { Backoff } from "../job/job.js";
import type { PendingCounts } from "./pending-counts.js";
import type { RateLimit, RateLimitRequest } from "./rate-limit.js";

/** The order in which the ready jobs of a queue are leased; see `compareReady`. */
export type QueueOrdering = "PRIORITY" | "RUN_AFTER" | "FAIR";

/** All orderings, in the order of the protos. */
export const QUEUE_ORDERINGS: readonly QueueOrdering[] = ["PRIORITY", "RUN_AFTER", "FAIR"];

/** The settings of a queue; all can be changed later. */
export interface QueueSettings {
  readonly ordering: QueueOrdering;
  /** From 1: share of the turns under the policy `weighted`, rank (highest first) under `strict`; otherwise unused. */
  readonly weight: number;
  /** Most jobs RUNNING at once, on all servers together; 0: no limit. */
  readonly maxConcurrency: number;
  /** Most jobs of one key RUNNING at once, on all servers together; 0: no limit. Jobs without a key are not bounded by it. */
  readonly maxConcurrencyPerKey: number;
  /** How many jobs are handed out in a time, on all servers together; null: no limit. */
  readonly rateLimit: RateLimit | null;
  /** Most jobs PENDING at once; 0: no limit. Only creates are refused: retried, released, replayed jobs always fit. */
  readonly maxDepth: number;
  /** How long DONE and CANCELED jobs are kept, ms, also those that are kept already; 0: not at all; null: as the server says. */
  readonly completedTtlMs: number | null;
  /** Most DONE and CANCELED jobs that are kept; 0: none; null: as the server says. */
  readonly maxCompleted: number | null;
  /** How long DEAD jobs are kept, ms, from 1, also those that are kept already; null: until somebody deletes or replays them. */
  readonly deadTtlMs: number | null;
  /** Most DEAD jobs that are kept, from 1; those that died first are deleted; null: no limit. */
  readonly maxDead: number | null;
  /** Retries of jobs created without a number of their own; null: as the server says. */
  readonly defaultMaxRetries: number | null;
  /** Waits between retries of jobs created without a backoff of their own; null: as the server says. */
  readonly defaultBackoff: Backoff | null;
  /** Longest run of one attempt of jobs created without a timeout of their own, ms; 0 and null: no limit. */
  readonly defaultTimeoutMs: number | null;
  /**
   * How long jobs created without a ttl or a time to expire may wait for their first lease once they may run, ms, from 1; null: for
   * ever.
   */
  readonly defaultTtlMs: number | null;
}

/**
 * Settings to create a queue with, or to change: of a backoff the parts that are not given are the server's, of a rate they
 * follow from it.
 */
export type QueueSettingsRequest = {
  readonly [Name in keyof QueueSettings]?:
    | QueueSettings[Name]
    | (Name extends "defaultBackoff" ? BackoffRequest : never)
    | (Name extends "rateLimit" ? RateLimitRequest : never)
    | undefined;
};

/** The settings of a queue created without any. */
export const DEFAULT_QUEUE_SETTINGS: QueueSettings = {
  ordering: "PRIORITY",
  weight: 1,
  maxConcurrency: 0,
  maxConcurrencyPerKey: 0,
  rateLimit: null,
  maxDepth: 0,
  completedTtlMs: null,
  maxCompleted: null,
  deadTtlMs: null,
  maxDead: null,
  defaultMaxRetries: null,
  defaultBackoff: null,
  defaultTimeoutMs: null,
  defaultTtlMs: null,
};

/** The path of each setting in the mask of UpdateQueue: the compiler sees that none is missing. */
export const SETTING_PATHS: Readonly<Record<keyof QueueSettings, string>> = {
  ordering: "settings.ordering",
  weight: "settings.weight",
  maxConcurrency: "settings.max_concurrency",
  maxConcurrencyPerKey: "settings.max_concurrency_per_key",
  rateLimit: "settings.rate_limit",
  maxDepth: "settings.max_depth",
  completedTtlMs: "settings.completed_ttl",
  maxCompleted: "settings.max_completed",
  deadTtlMs: "settings.dead_ttl",
  maxDead: "settings.max_dead",
  defaultMaxRetries: "settings.default_max_retries",
  defaultBackoff: "settings.default_backoff",
  defaultTimeoutMs: "settings.default_timeout",
  defaultTtlMs: "settings.default_ttl",
};

/** The queue that always exists. */
export const DEFAULT_QUEUE = "default";

/** Whether something is a text that has the form of a queue name. */
export function isQueueName(text: unknown): text is string {
  return typeof text === "string" && /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/.test(text);
}

/** Job counts of a queue at one moment. */
export interface QueueStats extends PendingCounts {
  readonly running: number;
  readonly dead: number;
  readonly done: number;
  /** Ms since the time came of the oldest job that is ready or limited; undefined when none is. */
  readonly oldestReadyAgeMs: number | undefined;
  /** Jobs that became DONE since the queue was created; unlike `done`, it never shrinks when jobs are forgotten. */
  readonly completed: number;
  /** The types of its ready and limited jobs, in order, up to 20 of them. */
  readonly readyTypes: readonly string[];
}

/** A queue, with its settings and counts at one moment. */
export interface Queue {
  readonly name: string;
  readonly settings: QueueSettings;
  readonly paused: boolean;
  /** Ms since 1970. */
  readonly createdAt: number;
  /** When `rateLimit` next lets jobs go that it holds back now, ms since 1970; undefined: it holds back none. */
  readonly nextSlotAt?: number | undefined;
  readonly stats: QueueStats;
}

/** The fields of a job that decide its place among the ready jobs. */
export interface ReadyKey {
  readonly priority: number;
  readonly runAfter: number;
  readonly createdAt: number;
  /** The number in its id. */
  readonly number: string;
}
