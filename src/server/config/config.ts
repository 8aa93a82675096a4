import { DURABILITIES, type Durability } from "../../backends/file/batch.js";
import { DEFAULT_CHANGE_LOG_SIZE, DEFAULT_COMPLETED_BYTES } from "../../backends/memory/memory-backend.js";
import { isPrefix, PREFIX_FORM, parseRedisUrl, whyNotRead } from "../../backends/redis/link/url.js";
import { DEFAULT_REDIS_COMPLETED_BYTES, DEFAULT_REDIS_LOG_SIZE } from "../../backends/redis/redis-backend.js";
import { DEFAULT_BACKEND_OPTIONS } from "../../core/backend.js";
import { DEFAULT_JOB_DEFAULTS } from "../../core/new-job.js";
import { QUEUE_POLICIES, type QueuePolicy } from "../../core/work/queue-turns.js";
import { LIMITS } from "../../model/common/limits.js";
import { DEFAULT_BACKOFF } from "../../model/job/backoff.js";
import { MAX_NODE_ID } from "../../model/queue/ids.js";
import { Violations } from "../../model/request/violations.js";
import { type AccessConfig, readAccess } from "../access/access-config.js";
import { type RedisTlsConfig, readRedisTls } from "../tls/redis-tls.js";
import { readTls, type TlsConfig } from "../tls/tls-config.js";
import { readAllowedHosts } from "./allowed-hosts.js";
import { parseByteSize } from "./byte-size.js";
import { type ConnectionConfig, readConnections } from "./connection-config.js";
import { type Environment, EnvReader } from "./env-reader.js";
import { type IsolationConfig, readHandlerSlots, readIsolation } from "./handlers.js";
import { type LogSettings, readLogSettings } from "./logging.js";

/** Most processes of a server: more than most machines have cores. */
const MAX_PROCESSES = 128;

/** The settings of a server, as read from the environment. Durations in ms. The README has a table of the variables. */
export interface Config extends LogSettings {
  readonly port: number;
  readonly host: string;
  /** Processes that serve the port. Limits and `numWorkers` are those of all together. */
  readonly processes: number;
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
  /** Where they run. Undefined: in the server's own thread. */
  readonly isolation: IsolationConfig | undefined;
  /** How long the event loop may be blocked before that is logged. 0: it is not watched. */
  readonly eventLoopWarnMs: number;
  readonly nodeId: number;
  /** The folder that keeps the jobs in a file. Undefined: no file keeps them. */
  readonly dataDir: string | undefined;
  readonly durability: Durability;
  /** The Redis that keeps the jobs. Undefined: they are kept in memory, or in a file. */
  readonly redis:
    | { readonly url: string; readonly prefix: string; readonly tls?: RedisTlsConfig | undefined }
    | undefined;
  /** Entries kept in the change log for watchers that lag behind or come back; on Redis, for each queue. */
  readonly changeLogSize: number;
  /** Most server streams open at the same time. */
  readonly maxStreams: number;
  /** The same for each token. */
  readonly maxStreamsPerToken: number;
  /** How long a request may take to come in, from its first byte to its last. */
  readonly requestTimeoutMs: number;
  /** Origins whose pages may call from browsers; only `*` means any. Empty: pages of this server only. */
  readonly corsOrigins: readonly string[];
  /** What connections may take. */
  readonly connections: ConnectionConfig;
  /** TLS of the port. Undefined: it speaks plain text. */
  readonly tls: TlsConfig | undefined;
  /** Names by which the server may be called beside its own, where no tokens protect it. */
  readonly allowedHosts: readonly string[];
  readonly access: AccessConfig;
}

/** The configuration is not valid. `problems` has every problem, each naming its variable; the message lists them. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/** What is given to a server in another way than by variables. */
export interface GivenParts {
  readonly hasAuthorizer?: boolean | undefined;
}

/** Reads the environment. Throws a `ConfigError` with every problem at once. An empty variable counts as not set. */
export function readConfig(variables: Environment, { hasAuthorizer = false }: GivenParts = {}): Config {
  const env = new EnvReader(variables);
  const host = env.text("HOST") ?? "127.0.0.1";

  const useRedis = env.boolean("USE_REDIS", false);
  const url = env.read("REDIS_URL", "", (text) => (parseRedisUrl(text) === undefined ? undefined : text), whyNotRead);
  const prefix = env.read("REDIS_PREFIX", "gotaskq", (text) => (isPrefix(text) ? text : undefined), PREFIX_FORM);
  const dataDir = env.text("DATA_DIR");
  if (useRedis && dataDir !== undefined) {
    env.problem("DATA_DIR", "cannot be used with USE_REDIS: jobs are kept in one place; unset one of them");
  }
  if (dataDir === undefined && env.isSet("DURABILITY")) {
    env.problem("DURABILITY", "says what jobs in a file survive, and DATA_DIR names none; set it, or unset this");
  }
  if (useRedis && !env.isSet("REDIS_URL")) env.problem("REDIS_URL", "is required with USE_REDIS");

  const maxStreams = env.integer("MAX_STREAMS", 20_000, 1, 1_000_000);
  const config: Config = {
    port: env.integer("PORT", 8000, 0, 65_535),
    host,
    processes: env.integer("PROCESSES", 1, 1, MAX_PROCESSES),
    numWorkers: readHandlerSlots(env),
    maxRetries: env.integer("MAX_RETRIES", DEFAULT_JOB_DEFAULTS.maxRetries, 0, LIMITS.maxRetries),
    baseDelayMs: env.duration("BASE_DELAY", DEFAULT_BACKOFF.baseDelayMs, 0, LIMITS.delayMs),
    maxDelayMs: env.duration("MAX_DELAY", DEFAULT_BACKOFF.maxDelayMs, 0, LIMITS.delayMs),
    completeJobTtlMs: env.duration("COMPLETE_JOB_TTL", DEFAULT_BACKEND_OPTIONS.completeJobTtlMs, 0, LIMITS.delayMs),
    maxCompletedJobs: env.integer("MAX_COMPLETED_JOBS", DEFAULT_BACKEND_OPTIONS.maxCompletedJobs, 0, 10_000_000),
    maxCompletedBytes: env.read(
      "MAX_COMPLETED_BYTES",
      useRedis ? DEFAULT_REDIS_COMPLETED_BYTES : DEFAULT_COMPLETED_BYTES,
      parseByteSize,
      "a number of bytes, like 1000000, 512KiB, 256MiB, 1.5GiB",
    ),
    queuePolicy: env.choice("QUEUE_POLICY", "round-robin", QUEUE_POLICIES),
    queues: env.read(
      "QUEUES",
      [],
      (text) => text.split(",").map((name) => name.trim()),
      "queue names parted by commas",
    ),
    leaseMs: env.duration("LEASE_DURATION", 30_000, 1000, 3_600_000),
    maxLostLeases: env.integer("MAX_LOST_LEASES", DEFAULT_BACKEND_OPTIONS.maxLostLeases, 0, 1000),
    shutdownTimeoutMs: env.duration("SHUTDOWN_TIMEOUT", 10_000, 0, 3_600_000),
    handlers: env.text("HANDLERS"),
    isolation: readIsolation(env),
    eventLoopWarnMs: env.duration("EVENT_LOOP_WARN", 1000, 0, 3_600_000),
    ...readLogSettings(env),
    nodeId: env.integer("NODE_ID", 0, 0, MAX_NODE_ID),
    dataDir,
    durability: env.choice("DURABILITY", "power", DURABILITIES),
    redis: useRedis ? { url, prefix, tls: readRedisTls(env, url) } : undefined,
    changeLogSize: env.integer(
      "CHANGE_LOG_SIZE",
      useRedis ? DEFAULT_REDIS_LOG_SIZE : DEFAULT_CHANGE_LOG_SIZE,
      1000,
      10_000_000,
    ),
    maxStreams,
    maxStreamsPerToken: env.integer("MAX_STREAMS_PER_TOKEN", 10_000, 1, 1_000_000),
    requestTimeoutMs: env.duration("REQUEST_TIMEOUT", 30_000, 1000, 3_600_000),
    corsOrigins: env.read<readonly string[]>(
      "CORS_ORIGINS",
      [],
      parseOrigins,
      "origins parted by commas, like https://example.com (no path, no slash at the end), or only *",
    ),
    tls: readTls(env),
    connections: readConnections(env, maxStreams),
    allowedHosts: readAllowedHosts(env),
    access: readAccess(env, host, hasAuthorizer),
  };
  env.problems.push(...badQueueNames(config.queues));
  if (env.problems.length > 0) throw new ConfigError(env.problems);
  return config;
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
