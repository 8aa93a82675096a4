import { expect, test } from "vitest";
import { readConfig } from "../../../src/server/config/config.js";
import { shareOut } from "../../../src/server/processes/share-out.js";

const ENVIRONMENT = { USE_REDIS: "true", REDIS_URL: "redis://127.0.0.1:1", LOG_LEVEL: "warn" };

/** The configurations of the processes. */
function shares(variables: Readonly<Record<string, string>>) {
  const environment = { ...ENVIRONMENT, ...variables };
  const config = readConfig(environment);
  return Array.from({ length: config.processes }, (_, index) => readConfig(shareOut(environment, config, index)));
}

test("each process is one with its part of the totals, and all else as it is", () => {
  const all = shares({ PROCESSES: "4", MAX_STREAMS: "9", MAX_STREAMS_PER_TOKEN: "2" });
  expect(all.map(({ numWorkers }) => numWorkers)).toEqual([3, 3, 2, 2]);
  expect(all.map(({ maxStreams }) => maxStreams)).toEqual([3, 2, 2, 2]);
  expect(all.map(({ maxStreamsPerToken }) => maxStreamsPerToken)).toEqual([1, 1, 1, 1]);
  for (const { processes, logLevel, redis } of all) {
    expect([processes, logLevel, redis?.url]).toEqual([1, "warn", "redis://127.0.0.1:1"]);
  }
});

test("there may be fewer workers than processes, and none at all", () => {
  expect(shares({ PROCESSES: "3", NUM_WORKERS: "1" }).map(({ numWorkers }) => numWorkers)).toEqual([1, 0, 0]);
  expect(shares({ PROCESSES: "2", NUM_WORKERS: "0" }).map(({ numWorkers }) => numWorkers)).toEqual([0, 0]);
});

test("connections are counted by the primary: no process limits them", () => {
  for (const { connections } of shares({ PROCESSES: "2", MAX_CONNECTIONS: "10" })) {
    expect(connections).toMatchObject({ maxConnections: 1_000_000, maxConnectionsPerAddress: 1_000_000 });
  }
});
