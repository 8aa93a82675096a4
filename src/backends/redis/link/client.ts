import { Cluster, Redis, type RedisOptions } from "ioredis";
import type { HostPort, RedisTarget } from "./url.js";

/**
 * A connection to Redis: one server, or all masters of a cluster. Both have the commands and events that are used here;
 * their types differ in what is not.
 */
export type Client = Redis;

/** Longest wait for a connection to be accepted, ms. */
const CONNECT_TIMEOUT_MS = 2000;

/** Longest wait before a lost connection is tried again, ms. */
const MAX_RECONNECT_MS = 500;

/** A silent connection is looked after this often, ms: the other end may be gone without a word. */
const KEEP_ALIVE_MS = 10_000;

/** How long a connection that is given up may take to close, ms: the other end may not answer. */
const CLOSE_MS = 100;

const reconnectDelay = (times: number) => Math.min(20 * times, MAX_RECONNECT_MS);

/** What all connections have in common. Commands are never kept, or sent again behind our back. */
function optionsOf({ username, password, tls }: RedisTarget, name: string): RedisOptions {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
    connectionName: name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: CLOSE_MS,
    keepAlive: KEEP_ALIVE_MS,
    lazyConnect: true,
    // What is under way when the connection breaks fails right then.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Notifier subscribes anew itself; when the library does and fails, nobody handles that.
    autoResubscribe: false,
    // A master that became a replica: connect anew, to the new master.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
}

/**
 * Makes a connection; it does not connect by itself. A command that meets a lost connection fails at once, and the caller
 * decides (connection.ts).
 */
export function createClient(target: RedisTarget, name: string): Client {
  const options = optionsOf(target, name);
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
    // `tls` alone would be for nothing here.
    enableTLSForSentinelMode: target.tls,
    ...(target.tls && { sentinelTLS: {} }),
  });
}

/**
 * Makes the connection that hears the channel. In a cluster it is one to a node, for all nodes hear it, and to another
 * one when that breaks: the subscriptions of the cluster client move to another node without a word, and what was said
 * in between would be missed. `client` knows the nodes.
 */
export function createSubscriber(target: RedisTarget, name: string, client: Client): Client {
  if (target.kind !== "cluster") return createClient(target, name);
  let turn = Math.floor(Math.random() * target.nodes.length);
  const next = (): HostPort => {
    const known = (client as unknown as Cluster).nodes("master").map(({ options }) => options as HostPort);
    const nodes = known.length > 0 ? known : target.nodes;
    return nodes[turn++ % nodes.length] as HostPort;
  };
  const subscriber = new Redis({
    ...optionsOf(target, name),
    ...next(),
    enableOfflineQueue: false,
    retryStrategy(times) {
      const { host, port } = next();
      Object.assign(subscriber.options, { host, port });
      return reconnectDelay(times);
    },
  });
  return subscriber;
}
