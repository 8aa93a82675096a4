import { Cluster, Redis, type RedisOptions } from "ioredis";
import type { RedisTarget } from "./url.js";

/**
 * A connection to Redis: one server, or all masters of a cluster. Both have the commands and events that are used here;
 * their types differ in what is not.
 */
export type Client = Redis;

/** Longest wait for a connection to be accepted, ms. */
const CONNECT_TIMEOUT_MS = 2000;

/** Longest wait before a lost connection is tried again, ms. */
const MAX_RECONNECT_MS = 500;

const reconnectDelay = (times: number) => Math.min(20 * times, MAX_RECONNECT_MS);

/**
 * Makes a connection; it does not connect by itself. Commands are never kept or sent again behind our back: one that
 * meets a lost connection fails at once, and the caller decides (connection.ts).
 */
export function createClient(target: RedisTarget, name: string): Client {
  const { username, password } = target;
  const options: RedisOptions = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(target.tls && { tls: {} }),
    connectionName: name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    lazyConnect: true,
    // What is under way when the connection breaks fails right then.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // A master that became a replica: connect anew, to the new master.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
  if (target.kind === "cluster") {
    const cluster = new Cluster([...target.nodes], {
      redisOptions: options,
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: reconnectDelay,
      clusterNodeRetryStrategy: reconnectDelay,
      retryDelayOnMoved: 10,
      slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
      slotsRefreshInterval: 5000,
    });
    return cluster as unknown as Client;
  }
  const single = { ...options, enableOfflineQueue: false, retryStrategy: reconnectDelay };
  if (target.kind === "socket") return new Redis({ ...single, path: target.path, db: target.db });
  if (target.kind === "server") return new Redis({ ...single, host: target.host, port: target.port, db: target.db });
  return new Redis({
    ...single,
    sentinels: [...target.nodes],
    name: target.master,
    db: target.db,
    // Sentinels commonly have no password, or the same one.
    sentinelRetryStrategy: reconnectDelay,
    failoverDetector: true,
  });
}
