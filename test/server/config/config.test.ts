import { getHeapStatistics } from "node:v8";
import { describe, expect, test } from "vitest";
import { parseDuration } from "../../../src/model/common/duration.js";
import { parseByteSize } from "../../../src/server/config/byte-size.js";
import { ConfigError, readConfig } from "../../../src/server/config/config.js";
import { startServer } from "../../../src/server/index.js";

/** Returns the problems of an environment; fails when there are none. */
function problems(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("expected the configuration to be refused");
}

describe("readConfig", () => {
  test("gives an empty environment the defaults", () => {
    expect(readConfig({})).toEqual({
      port: 8000,
      host: "127.0.0.1",
      processes: 1,
      numWorkers: 10,
      maxRetries: 5,
      baseDelayMs: 100,
      maxDelayMs: 5000,
      completeJobTtlMs: 300_000,
      maxCompletedJobs: 100_000,
      maxCompletedBytes: Math.floor(getHeapStatistics().heap_size_limit / 4),
      queuePolicy: "round-robin",
      queues: [],
      leaseMs: 30_000,
      maxLostLeases: 5,
      shutdownTimeoutMs: 10_000,
      handlers: undefined,
      eventLoopWarnMs: 1000,
      logLevel: "info",
      logFormat: "auto",
      nodeId: 0,
      dataDir: undefined,
      durability: "power",
      changeLogSize: 500_000,
      corsOrigins: [],
      allowedHosts: [],
      maxStreams: 20_000,
      maxStreamsPerToken: 10_000,
      requestTimeoutMs: 30_000,
      access: { tokens: [], file: undefined, authorizer: undefined, isReflectionClosed: false, areMetricsOpen: false },
      // How many connections there may be goes by the open files that the machine allows.
      connections: expect.objectContaining({
        maxCallsPerConnection: 10_000,
        idleTimeoutMs: 75_000,
        writeTimeoutMs: 60_000,
      }),
    });
  });

  test("reads every variable", () => {
    const env = {
      PORT: "0",
      HOST: "0.0.0.0",
      AUTH: "none",
      PROCESSES: "1",
      NUM_WORKERS: "0",
      MAX_RETRIES: "100",
      BASE_DELAY: "1s",
      MAX_DELAY: "250",
      COMPLETE_JOB_TTL: "24h",
      MAX_COMPLETED_JOBS: "7",
      MAX_COMPLETED_BYTES: "1.5MiB",
      USE_REDIS: "false",
      DATA_DIR: "./data",
      DURABILITY: "process",
      QUEUE_POLICY: "strict",
      QUEUES: "mail, reports ,a.b",
      LEASE_DURATION: "1m",
      MAX_LOST_LEASES: "0",
      SHUTDOWN_TIMEOUT: "0",
      HANDLERS: "./handlers.ts",
      EVENT_LOOP_WARN: "250ms",
      LOG_LEVEL: "debug",
      LOG_FORMAT: "json",
      NODE_ID: "1023",
      CHANGE_LOG_SIZE: "1000",
      MAX_STREAMS: "1",
      MAX_STREAMS_PER_TOKEN: "1",
      AUTH_REFLECTION: "token",
      AUTH_METRICS: "none",
      REQUEST_TIMEOUT: "5s",
      MAX_CONNECTIONS: "50",
      MAX_CONNECTIONS_PER_ADDRESS: "7",
      MAX_CALLS_PER_CONNECTION: "8",
      IDLE_TIMEOUT: "2m",
      WRITE_TIMEOUT: "20s",
      CORS_ORIGINS: "https://example.com, http://localhost:5173",
      ALLOWED_HOSTS: "jobs.example.com, *.Tunnel.example",
    };
    expect(readConfig(env)).toEqual({
      port: 0,
      host: "0.0.0.0",
      processes: 1,
      numWorkers: 0,
      maxRetries: 100,
      baseDelayMs: 1000,
      maxDelayMs: 250,
      completeJobTtlMs: 86_400_000,
      maxCompletedJobs: 7,
      maxCompletedBytes: 1_572_864,
      queuePolicy: "strict",
      queues: ["mail", "reports", "a.b"],
      leaseMs: 60_000,
      maxLostLeases: 0,
      shutdownTimeoutMs: 0,
      handlers: "./handlers.ts",
      eventLoopWarnMs: 250,
      logLevel: "debug",
      logFormat: "json",
      nodeId: 1023,
      dataDir: "./data",
      durability: "process",
      changeLogSize: 1000,
      maxStreams: 1,
      maxStreamsPerToken: 1,
      access: { tokens: [], file: undefined, authorizer: undefined, isReflectionClosed: true, areMetricsOpen: true },
      requestTimeoutMs: 5000,
      connections: {
        maxConnections: 50,
        maxConnectionsPerAddress: 7,
        maxCallsPerConnection: 8,
        idleTimeoutMs: 120_000,
        writeTimeoutMs: 20_000,
      },
      corsOrigins: ["https://example.com", "http://localhost:5173"],
      allowedHosts: ["jobs.example.com", "*.tunnel.example"],
    });
  });

  test("reads where handlers run, for handlers that there are", () => {
    const given = { HANDLERS: "./h.js", HANDLERS_ISOLATION: "threads" };
    expect(readConfig(given).isolation).toEqual({ isolation: "threads", memoryBytes: undefined, graceMs: 1000 });
    const all = { ...given, HANDLERS_ISOLATION: "processes", HANDLERS_MEMORY: "256MiB", HANDLERS_GRACE: "5s" };
    expect(readConfig(all).isolation).toEqual({ isolation: "processes", memoryBytes: 2 ** 28, graceMs: 5000 });
    expect(readConfig({ HANDLERS_ISOLATION: "none" }).isolation).toBeUndefined();
    expect(problems({ HANDLERS_ISOLATION: "threads" })).toEqual([
      expect.stringMatching(/^HANDLERS_ISOLATION: .*HANDLERS/),
    ]);
    expect(problems({ ...given, HANDLERS_ISOLATION: "thread" })).toEqual([
      'HANDLERS_ISOLATION: must be one of none, threads, processes, got "thread"',
    ]);
    // Whether the other one has a meaning is not known.
    expect(problems({ ...given, HANDLERS_ISOLATION: "thread", HANDLERS_MEMORY: "64MiB" })).toHaveLength(1);
    expect(problems({ ...given, HANDLERS_MEMORY: "15MiB" })).toEqual([
      expect.stringMatching(/^HANDLERS_MEMORY: must be/),
    ]);
    expect(problems({ HANDLERS: "./h.js", HANDLERS_MEMORY: "1GiB", HANDLERS_GRACE: "1s" })).toEqual([
      expect.stringMatching(/^HANDLERS_MEMORY: .*HANDLERS_ISOLATION/),
      expect.stringMatching(/^HANDLERS_GRACE: .*HANDLERS_ISOLATION/),
    ]);
  });

  test("takes * for any origin, and refuses what no browser would ever send", () => {
    expect(readConfig({ CORS_ORIGINS: "*" }).corsOrigins).toEqual(["*"]);
    for (const text of ["https://example.com/", "example.com", "https://Example.com", "*,https://a.de", "null", ","]) {
      expect(problems({ CORS_ORIGINS: text })).toEqual([expect.stringMatching(/^CORS_ORIGINS: must be origins /)]);
    }
  });

  test("takes * for any host, and refuses what is no name of one", () => {
    expect(readConfig({ ALLOWED_HOSTS: "*" }).allowedHosts).toEqual(["*"]);
    for (const text of ["https://example.com", "example.com:80", "*.", "a.*", "a,,b", "a/b"]) {
      expect(problems({ ALLOWED_HOSTS: text })).toEqual([expect.stringMatching(/^ALLOWED_HOSTS: must be host names /)]);
    }
  });

  test("takes an empty variable for an unset one, and spaces around a value for nothing", () => {
    expect(readConfig({ PORT: "", HANDLERS: "  ", QUEUES: "", USE_REDIS: "" })).toEqual(readConfig({}));
    expect(readConfig({ PORT: " 81 " }).port).toBe(81);
  });

  test("tells every problem at once, each with its variable, what would be right and what it got", () => {
    const env = {
      PORT: "65536",
      PROCESSES: "129",
      NUM_WORKERS: "-1",
      MAX_RETRIES: "101",
      BASE_DELAY: "soon",
      MAX_DELAY: "367d",
      COMPLETE_JOB_TTL: "-5m",
      MAX_COMPLETED_JOBS: "1.5",
      MAX_COMPLETED_BYTES: "1.5",
      USE_REDIS: "maybe",
      QUEUE_POLICY: "random",
      QUEUES: "mail,No Queue,",
      LEASE_DURATION: "999ms",
      MAX_LOST_LEASES: "x",
      SHUTDOWN_TIMEOUT: "61m",
      LOG_LEVEL: "loud",
      LOG_FORMAT: "xml",
      NODE_ID: "1024",
      CHANGE_LOG_SIZE: "999",
      MAX_STREAMS: "0",
      MAX_STREAMS_PER_TOKEN: "0",
      AUTH: "off",
      AUTH_REFLECTION: "yes",
      AUTH_METRICS: "open",
      REQUEST_TIMEOUT: "999ms",
      MAX_CONNECTIONS: "0",
      MAX_CONNECTIONS_PER_ADDRESS: "many",
      MAX_CALLS_PER_CONNECTION: "0",
      IDLE_TIMEOUT: "999ms",
      WRITE_TIMEOUT: "2h",
    };
    const told = problems(env);
    const namesOf = (lines: readonly string[]) => lines.map((line) => line.slice(0, line.indexOf(":")));
    expect(namesOf(told).toSorted()).toEqual([...Object.keys(env), "QUEUES"].toSorted());
    for (const [name, value] of Object.entries(env).filter(([name]) => name !== "QUEUES")) {
      expect(told.find((line) => line.startsWith(`${name}: must be `))).toContain(`got "${value}"`);
    }
    expect(told).toContain('WRITE_TIMEOUT: must be a duration from 1s to 1h, like 30s or 5m, got "2h"');
    expect(told.filter((line) => line.startsWith("QUEUES"))).toEqual([
      expect.stringContaining('"No Queue" must have 1 to 64 characters'),
      expect.stringContaining('"" must have 1 to 64 characters'),
    ]);
  });

  test("keeps jobs in one place: in a folder or on Redis", () => {
    expect(readConfig({})).toMatchObject({ dataDir: undefined, durability: "power" });
    expect(readConfig({ DATA_DIR: "./data", DURABILITY: "process" })).toMatchObject({
      dataDir: "./data",
      durability: "process",
    });
    const both = { DATA_DIR: "./data", USE_REDIS: "true", REDIS_URL: "redis://127.0.0.1" };
    expect(problems(both)).toEqual([
      "DATA_DIR: cannot be used with USE_REDIS: jobs are kept in one place; unset one of them",
    ]);
    expect(problems({ DATA_DIR: "./data", DURABILITY: "some" })).toEqual([
      'DURABILITY: must be one of power, process, got "some"',
    ]);
    expect(problems({ DURABILITY: "process" })).toEqual([expect.stringMatching(/^DURABILITY: .*DATA_DIR/)]);
  });

  test("takes one process inside another program", async () => {
    await expect(startServer({ env: { PROCESSES: "2" } })).rejects.toMatchObject({
      problems: [expect.stringMatching(/^PROCESSES: /)],
    });
  });

  test.each(["true", "1", "yes", "on", "TRUE"])("wants a REDIS_URL with USE_REDIS=%s", (value) => {
    expect(problems({ USE_REDIS: value })).toEqual(["REDIS_URL: is required with USE_REDIS"]);
    const url = "redis://10.0.0.1:6380/2";
    expect(readConfig({ USE_REDIS: value, REDIS_URL: url }).redis).toEqual({ url, prefix: "gotaskq" });
  });

  test("keeps jobs in memory unless told otherwise, whatever the URL", () => {
    expect(readConfig({ REDIS_URL: "redis://127.0.0.1" }).redis).toBeUndefined();
    expect(readConfig({ USE_REDIS: "false", REDIS_URL: "redis://127.0.0.1" }).redis).toBeUndefined();
  });

  test.each([
    ["REDIS_URL", "http://127.0.0.1"],
    ["REDIS_URL", "redis://a,b"],
    ["REDIS_URL", "redis+sentinel://127.0.0.1:26379"],
    ["REDIS_PREFIX", "a{b}"],
  ])("refuses %s=%s", (name, value) => {
    const [told, ...more] = problems({ USE_REDIS: "true", REDIS_URL: "redis://127.0.0.1", [name]: value });
    expect(more).toEqual([]);
    expect(told).toContain(`${name}: `);
  });

  test("keeps fewer changes of each queue on Redis than in memory of all", () => {
    expect(readConfig({}).changeLogSize).toBe(500_000);
    expect(readConfig({ USE_REDIS: "1", REDIS_URL: "redis://127.0.0.1" }).changeLogSize).toBe(100_000);
  });

  test("keeps 256 MiB of completed jobs on Redis, and in memory a quarter of the heap", () => {
    const onRedis = { USE_REDIS: "1", REDIS_URL: "redis://127.0.0.1" };
    expect(readConfig(onRedis).maxCompletedBytes).toBe(268_435_456);
    expect(readConfig({ ...onRedis, MAX_COMPLETED_BYTES: "0" }).maxCompletedBytes).toBe(0);
  });

  test.each(["0x50", "8e3", "80.0", "+80", "８０", "80 90"])("does not take %s for a number", (value) => {
    expect(problems({ PORT: value })).toEqual([expect.stringMatching(/^PORT: must be a whole number/)]);
  });
});

describe("parseByteSize", () => {
  test.each([
    ["0", 0],
    ["250", 250],
    ["512KiB", 524_288],
    ["1.5MiB", 1_572_864],
    ["2GiB", 2_147_483_648],
    [" 1KiB ", 1024],
  ])("reads %s as %d bytes", (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  test.each(["", "KiB", "-1", "1 KiB", "1kB", "1MB", "1e3", ".5KiB", "1.KiB", "1.5", "10000000000GiB", "Infinity"])(
    "does not read %j",
    (text) => {
      expect(parseByteSize(text)).toBeUndefined();
    },
  );
});

describe("parseDuration", () => {
  test.each([
    ["0", 0],
    ["250", 250],
    ["500ms", 500],
    ["30s", 30_000],
    ["1.5s", 1500],
    ["5m", 300_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
    [" 1s ", 1000],
  ])("reads %s as %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "s", "-1s", "1 s", "1w", "1e3", ".5s", "1.s", "5M", "1h30m", "Infinity"])(
    "does not read %j",
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});
