import { readFileSync } from "node:fs";
import { MAX_UNARY } from "../../rpc/http-handler.js";
import type { ConnectionLimits } from "../http/connection-room.js";
import { CONNECTION_TIMES } from "../http/connection-times.js";
import type { EnvReader } from "./env-reader.js";

/** What the connections of a port may take. Durations in ms. */
export interface ConnectionConfig extends ConnectionLimits {
  /** Calls that one connection may have in flight. */
  readonly maxCallsPerConnection: number;
  /** How long a connection without calls is kept. */
  readonly idleTimeoutMs: number;
  /** How long a client may take nothing of what waits for it. */
  readonly writeTimeoutMs: number;
}

/** The most that is default: of MAX_CONNECTIONS, and of MAX_CALLS_PER_CONNECTION. */
export const DEFAULT_LIMITS = { maxConnections: 10_000, maxCalls: 10_000 } as const;

/** Files that a process needs beside those of its connections: of the store, of Redis, of its own. */
const OTHER_FILES = 200;

/** Reads the limits of connections. `maxStreams`: MAX_STREAMS. */
export function readConnections(env: EnvReader, maxStreams: number): ConnectionConfig {
  const maxConnections = env.integer("MAX_CONNECTIONS", defaultConnections(), 1, 1_000_000);
  const half = (number: number) => Math.ceil(number / 2);
  return {
    maxConnections,
    maxConnectionsPerAddress: env.integer("MAX_CONNECTIONS_PER_ADDRESS", half(maxConnections), 1, 1_000_000),
    maxCallsPerConnection: env.integer(
      "MAX_CALLS_PER_CONNECTION",
      Math.min(DEFAULT_LIMITS.maxCalls, half(maxStreams + MAX_UNARY)),
      1,
      1_000_000,
    ),
    idleTimeoutMs: env.duration("IDLE_TIMEOUT", CONNECTION_TIMES.keepAliveMs, 1000, 3_600_000),
    writeTimeoutMs: env.duration("WRITE_TIMEOUT", CONNECTION_TIMES.stallMs, 1000, 3_600_000),
  };
}

/** As many connections as the process may have files open for, where that is less than usual. */
function defaultConnections(): number {
  const files = openFiles();
  const { maxConnections } = DEFAULT_LIMITS;
  return files === undefined ? maxConnections : Math.min(maxConnections, Math.max(100, files - OTHER_FILES));
}

/** How many files this process may have open; Node raises it to the most that is allowed. Undefined where it cannot be told. */
function openFiles(): number | undefined {
  try {
    const text = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
