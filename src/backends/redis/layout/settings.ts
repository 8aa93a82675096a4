import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from "../../../model/queue/queue.js";
import { DEFAULTS, EXPIRY, KEYS, RATE, RETENTION } from "./features.js";
import { readRateLimit, writeRateLimit } from "./rate-limit.js";
import { readDefaultBackoff, writeDefaultBackoff } from "./saved-backoff.js";

/** How a setting of a queue lies in its meta. */
export interface Setting<T> {
  /** Name of its field. */
  readonly field: string;
  readonly meaning: string;
  /** Whether every script reads it. */
  readonly isRead?: boolean;
  /** What a server must know so that it may serve a queue whose setting is not one of `plain`; see features.ts. */
  readonly feature?: string | readonly string[];
  /** Values that every server knows. Default: that of a queue without settings. */
  readonly plain?: readonly T[];
  readonly read: (text: string) => T;
  readonly write: (value: T) => string;
}

/** A table of settings. */
export type SettingsTable<S> = { readonly [N in keyof S]-?: Setting<S[N]> };

const number = { read: Number, write: String };
/** A number, or null: the field is not there. */
const limit = {
  read: (text: string) => (text === "" ? null : Number(text)),
  write: (value: number | null) => (value === null ? "" : String(value)),
  feature: RETENTION,
};
const choice = <T extends string>() => ({ read: (text: string) => text as T, write: String });

/** The settings of a queue. A new one is a line here, and its use. */
export const SETTINGS: SettingsTable<QueueSettings> = {
  ordering: {
    field: "ordering",
    meaning: "`PRIORITY`, `RUN_AFTER` or `FAIR`",
    isRead: true,
    feature: KEYS,
    plain: ["PRIORITY", "RUN_AFTER"],
    ...choice<QueueSettings["ordering"]>(),
  },
  weight: { field: "weight", meaning: "as in `Queue.weight`", ...number },
  maxConcurrency: {
    field: "max_concurrency",
    meaning: "most RUNNING jobs; 0: no limit",
    isRead: true,
    ...number,
  },
  maxConcurrencyPerKey: {
    field: "max_concurrency_per_key",
    meaning: "most RUNNING jobs of one key; 0: no limit",
    feature: KEYS,
    ...number,
  },
  rateLimit: {
    field: "rate_limit",
    meaning: "most jobs that are handed out in a time, a blank, that time, ms, a blank, and most of them at once",
    feature: RATE,
    read: readRateLimit,
    write: (value) => (value === null ? "" : writeRateLimit(value)),
  },
  maxDepth: { field: "max_depth", meaning: "most PENDING jobs; 0: no limit", isRead: true, ...number },
  completedTtlMs: { field: "completed_ttl", meaning: "ms that finished jobs are kept", ...limit },
  maxCompleted: { field: "max_completed", meaning: "most finished jobs that are kept", ...limit },
  deadTtlMs: { field: "dead_ttl", meaning: "ms that DEAD jobs are kept", ...limit },
  maxDead: { field: "max_dead", meaning: "most DEAD jobs that are kept", ...limit },
  defaultMaxRetries: {
    field: "default_max_retries",
    meaning: "`max_retries` of jobs that say none",
    ...limit,
    feature: DEFAULTS,
  },
  defaultBackoff: {
    field: "default_backoff",
    meaning:
      "backoff of jobs that say none, an object: `base` and `max`, ms, and as `more` what `extras` has of a backoff",
    feature: DEFAULTS,
    read: readDefaultBackoff,
    write: (value) => (value === null ? "" : writeDefaultBackoff(value)),
  },
  defaultTimeoutMs: {
    field: "default_timeout",
    meaning: "timeout of jobs that say none, ms",
    ...limit,
    feature: DEFAULTS,
  },
  defaultTtlMs: {
    field: "default_ttl",
    meaning: "ms that jobs that say none may wait for their first lease once they may run",
    ...limit,
    feature: [DEFAULTS, EXPIRY],
  },
};

/**
 * Settings as the fields of meta that they are kept in; those that are not given are left out. One that is empty is to be removed.
 */
export function writeSettings(given: Partial<QueueSettings>, table = SETTINGS): string[] {
  return entriesOf(table).flatMap(([name, { field, write }]) => {
    const value = given[name];
    return value === undefined ? [] : [field, write(value)];
  });
}

/** The settings in a meta. A field that is not there has its default: the queue is older than the setting. */
export function readSettings(meta: ReadonlyMap<string, string>, table = SETTINGS): QueueSettings {
  const settings = entriesOf(table).map(([name, { field, read }]) => {
    const text = meta.get(field);
    return [name, text === undefined ? DEFAULT_QUEUE_SETTINGS[name] : read(text)];
  });
  return Object.fromEntries(settings) as QueueSettings;
}

/** The features that a server must know for these settings. */
export function featuresOf(given: Partial<QueueSettings>, table = SETTINGS): string[] {
  const needed = entriesOf(table).flatMap(([name, { feature, plain = [DEFAULT_QUEUE_SETTINGS[name]] }]) => {
    const value = given[name];
    const isPlain = value === undefined || plain.includes(value);
    return feature === undefined || isPlain ? [] : feature;
  });
  return [...new Set(needed)];
}

function entriesOf(table: SettingsTable<QueueSettings>) {
  return Object.entries(table) as [keyof QueueSettings, Setting<QueueSettings[keyof QueueSettings]>][];
}
