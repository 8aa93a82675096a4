import { DURABILITIES, type Durability } from "../backends/file/batch.js";
import { DEFAULT_CHANGE_LOG_SIZE, DEFAULT_COMPLETED_BYTES } from "../backends/memory/memory-backend.js";
import { hidePassword, isPrefix, PREFIX_FORM, parseRedisUrl, whyNotRead } from "../backends/redis/link/url.js";
import { DEFAULT_REDIS_COMPLETED_BYTES, DEFAULT_REDIS_LOG_SIZE } from "../backends/redis/redis-backend.js";
import { DEFAULT_BACKEND_OPTIONS } from "../core/backend.js";
import { DEFAULT_JOB_DEFAULTS } from "../core/operations/job-operations.js";
import { QUEUE_POLICIES, type QueuePolicy } from "../core/queue-turns.js";
import { MAX_NODE_ID } from "../model/ids.js";
import { LIMITS } from "../model/limits.js";
import { Violations } from "../model/violations.js";
import { parseByteSize } from "./byte-size.js";
import { parseDuration } from "./duration.js";

/** Log levels. */
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** The settings of a server, as read from the environment. Durations in ms. The README has a table of the variables. */
export interface Config {
  readonly port: number;
  readonly host: string;
  readonly numWorkers: number;
  readonly maxRetries: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly completeJobTtlMs: number;
  readonly maxCompletedJobs: number;
  readonly maxCompletedBytes: number;
  readonly queuePolicy: QueuePolicy;
  /** Queues to create at start, besides `default`. */
  readonly queues: readonly string[];
  readonly leaseMs: number;
  readonly maxLostLeases: number;
  readonly shutdownTimeoutMs: number;
  /** Path of a module with handlers. Undefined: the built-in handlers. */
  readonly handlers: string | undefined;
  readonly logLevel: string;
  readonly nodeId: number;
  /** The folder that keeps the jobs in a file. Undefined: no file keeps them. */
  readonly dataDir: string | undefined;
  readonly durability: Durability;
  /** The Redis that keeps the jobs. Undefined: they are kept in memory, or in a file. */
  readonly redis: { readonly url: string; readonly prefix: string } | undefined;
  /** Entries kept in the change log for watchers that lag behind or come back; on Redis, for each queue. */
  readonly changeLogSize: number;
  /** Most server streams open at the same time. */
  readonly maxStreams: number;
  /** How long a request may take to come in, from its first byte to its last. */
  readonly requestTimeoutMs: number;
  /** Origins whose pages may call from browsers; only `*` means any. Empty: pages of this server only. */
  readonly corsOrigins: readonly string[];
}

/** The configuration is not valid. `problems` has every problem, each naming its variable; the message lists them. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/**
 * Variables that are specified but not supported yet. Setting one is refused: a server that ignored it would run
 * without the protection that its operator asked for.
 */
const NOT_YET: Readonly<Record<string, string>> = {
  AUTH_TOKENS: "tokens",
  AUTH_TOKENS_FILE: "tokens",
  TLS_CERT: "TLS",
  TLS_KEY: "TLS",
};

/** Reads the environment. Throws a `ConfigError` with every problem at once. An empty variable counts as not set. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];

  /** `wanted` is what the value must be, or says of a text what is wrong with it. */
  function read<T>(
    name: string,
    fallback: T,
    parse: (text: string) => T | undefined,
    wanted: string | ((text: string) => string),
  ): T {
    const text = env[name]?.trim();
    if (!text) return fallback;
    const value = parse(text);
    if (value === undefined) {
      const problem = typeof wanted === "string" ? `must be ${wanted}` : wanted(text);
      problems.push(`${name}: ${problem}, got "${hidePassword(text)}"`);
    }
    return value ?? fallback;
  }
  const integer = (name: string, fallback: number, min: number, max: number) =>
    read(
      name,
      fallback,
      (text) => (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined),
      `a whole number from ${min} to ${max}`,
    );
  const duration = (name: string, fallbackMs: number, minMs: number, maxMs: number) =>
    read(
      name,
      fallbackMs,
      (text) => {
        const ms = parseDuration(text);
        return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
      },
      `a duration from ${minMs}ms to ${maxMs / 3_600_000}h, like 500ms, 30s, 5m, 24h`,
    );
  const choice = <T extends string>(name: string, fallback: T, values: readonly T[]) =>
    read(name, fallback, (text) => values.find((value) => value === text), `one of ${values.join(", ")}`);

  const useRedis = read("USE_REDIS", false, parseBoolean, "true or false");
  const url = read("REDIS_URL", "", (text) => (parseRedisUrl(text) === undefined ? undefined : text), whyNotRead);
  const prefix = read("REDIS_PREFIX", "gotaskq", (text) => (isPrefix(text) ? text : undefined), PREFIX_FORM);
  const dataDir = read<string | undefined>("DATA_DIR", undefined, (text) => text, "the path of a folder");
  if (useRedis && dataDir !== undefined) {
    problems.push("DATA_DIR: cannot be used with USE_REDIS: jobs are kept in one place; unset one of them");
  }
  if (useRedis && !env.REDIS_URL?.trim()) problems.push("REDIS_URL: is required with USE_REDIS");
  for (const [name, what] of Object.entries(NOT_YET)) {
    if (env[name]?.trim()) problems.push(`${name}: ${what}: not part of this version yet; unset it`);
  }

  const config: Config = {
    port: integer("PORT", 8000, 0, 65_535),
    host: read("HOST", "127.0.0.1", (text) => text, "a host name or address"),
    numWorkers: integer("NUM_WORKERS", 10, 0, 10_000),
    maxRetries: integer("MAX_RETRIES", DEFAULT_JOB_DEFAULTS.maxRetries, 0, LIMITS.maxRetries),
    baseDelayMs: duration("BASE_DELAY", DEFAULT_JOB_DEFAULTS.backoff.baseDelayMs, 0, LIMITS.delayMs),
    maxDelayMs: duration("MAX_DELAY", DEFAULT_JOB_DEFAULTS.backoff.maxDelayMs, 0, LIMITS.delayMs),
    completeJobTtlMs: duration("COMPLETE_JOB_TTL", DEFAULT_BACKEND_OPTIONS.completeJobTtlMs, 0, LIMITS.delayMs),
    maxCompletedJobs: integer("MAX_COMPLETED_JOBS", DEFAULT_BACKEND_OPTIONS.maxCompletedJobs, 0, 10_000_000),
    maxCompletedBytes: read(
      "MAX_COMPLETED_BYTES",
      useRedis ? DEFAULT_REDIS_COMPLETED_BYTES : DEFAULT_COMPLETED_BYTES,
      parseByteSize,
      "a number of bytes, like 1000000, 512KiB, 256MiB, 1.5GiB",
    ),
    queuePolicy: choice("QUEUE_POLICY", "round-robin", QUEUE_POLICIES),
    queues: read("QUEUES", [], (text) => text.split(",").map((name) => name.trim()), "queue names parted by commas"),
    leaseMs: duration("LEASE_DURATION", 30_000, 1000, 3_600_000),
    maxLostLeases: integer("MAX_LOST_LEASES", DEFAULT_BACKEND_OPTIONS.maxLostLeases, 0, 1000),
    shutdownTimeoutMs: duration("SHUTDOWN_TIMEOUT", 10_000, 0, 3_600_000),
    handlers: read<string | undefined>("HANDLERS", undefined, (text) => text, "the path of a module"),
    logLevel: choice("LOG_LEVEL", "info", LOG_LEVELS),
    nodeId: integer("NODE_ID", 0, 0, MAX_NODE_ID),
    dataDir,
    durability: choice("DURABILITY", "power", DURABILITIES),
    redis: useRedis ? { url, prefix } : undefined,
    changeLogSize: integer(
      "CHANGE_LOG_SIZE",
      useRedis ? DEFAULT_REDIS_LOG_SIZE : DEFAULT_CHANGE_LOG_SIZE,
      1000,
      10_000_000,
    ),
    maxStreams: integer("MAX_STREAMS", 20_000, 1, 1_000_000),
    requestTimeoutMs: duration("REQUEST_TIMEOUT", 30_000, 1000, 3_600_000),
    corsOrigins: read<readonly string[]>(
      "CORS_ORIGINS",
      [],
      parseOrigins,
      "origins parted by commas, like https://example.com (no path, no slash at the end), or only *",
    ),
  };
  problems.push(...badQueueNames(config.queues));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function parseBoolean(text: string): boolean | undefined {
  if (/^(true|1|yes|on)$/i.test(text)) return true;
  return /^(false|0|no|off)$/i.test(text) ? false : undefined;
}

/**
 * Parses CORS_ORIGINS. Origins are compared with what browsers send character by character, so one in any other form
 * would never match: it is refused.
 */
function parseOrigins(text: string): readonly string[] | undefined {
  if (text === "*") return ["*"];
  const origins = text.split(",").map((each) => each.trim());
  const isOrigin = (each: string) => /^https?:/.test(each) && URL.canParse(each) && new URL(each).origin === each;
  return origins.every(isOrigin) ? origins : undefined;
}

function badQueueNames(names: readonly string[]): string[] {
  const found = new Violations();
  for (const name of names) found.queueName(`"${name}"`, name);
  return found.list.map(({ field, description }) => `QUEUES: ${field} ${description}`);
}
