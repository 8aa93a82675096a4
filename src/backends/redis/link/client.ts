import type { Socket } from "node:net";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { redisLibrary } from "./redis-library.js";
import { connectionOptions, type RedisTls } from "./tls.js";
import type { HostPort, RedisTarget } from "./url.js";

/**
 * A connection to Redis: one server, or all masters of a cluster. ioredis has a type for each; they differ only in
 * commands and events that are not used here.
 */
export type Client = Redis;

/** Longest wait for a connection to be established, ms. */
const CONNECT_TIMEOUT_MS = 2000;

/**
 * How long a connection may be silent while an answer is due, ms; then it is closed and made anew. It holds for what the
 * library itself asks while it connects, too. Longer than a call waits: connection.ts is to notice first.
 */
const SILENT_MS = 2000;

/** Longest wait before a Redis that loads its data is asked again, ms. */
const LOADING_MS = 500;

/** Longest wait before a lost connection is tried again, ms. */
const MAX_RECONNECT_MS = 500;

/** TCP keep-alive of an idle connection, ms: the other end may have disappeared without closing it. */
const KEEP_ALIVE_MS = 10_000;

/** How long closing a connection may take, ms: the other end may not answer. */
const CLOSE_MS = 100;

/** Not the same for all servers: they are not to come back all at once. */
const reconnectDelay = (times: number) => Math.min(20 * times, MAX_RECONNECT_MS) * (0.5 + Math.random() / 2);

/** Options of every connection. The library never queues or resends commands: connection.ts decides about retries. */
function optionsOf({ username, password, tls }: RedisTarget, name: string, secure: RedisTls): RedisOptions {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: connectionOptions(secure) }),
    connectionName: name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENT_MS,
    maxLoadingRetryTime: LOADING_MS,
    disconnectTimeout: CLOSE_MS,
    keepAlive: KEEP_ALIVE_MS,
    lazyConnect: true,
    // Commands in flight when the connection breaks fail at once.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // The Notifier resubscribes itself; nobody would handle an error of the library's own attempt.
    autoResubscribe: false,
    // The master has become a replica: reconnect, to the new master.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
}

/** How the library makes sockets; its types leave this out. */
interface Connector {
  stream?: Socket;
  connect: (...args: unknown[]) => Promise<Socket>;
  /** Makes a connection to a Sentinel, which connects at once. */
  connectToSentinel?: (...args: unknown[]) => Redis;
}

const connectorOf = (client: Redis) => (client as unknown as { readonly connector: Connector }).connector;

/**
 * The library listens to the first error of a socket only. With TLS there may be a second one: after a certificate was refused on this
 * side, Node tells what the other end says of that. With nobody to hear it, it would end this process.
 */
function withLateErrors(client: Redis): Redis {
  const connector = connectorOf(client);
  const ignore = () => {};
  const connect = connector.connect.bind(connector);
  connector.connect = async (...args) => (await connect(...args)).on("error", ignore);
  const ask = connector.connectToSentinel?.bind(connector);
  if (ask === undefined) return client;
  connector.connectToSentinel = (...args) => {
    const asking = ask(...args);
    // Its socket is made in the tick that was asked for just now.
    process.nextTick(() => connectorOf(asking).stream?.on("error", ignore));
    return asking;
  };
  return client;
}

type InfoCallback = (error: Error | null | undefined, text?: string) => void;

/**
 * A connection to one server, made ready for use.
 *
 * The library asks at each connect, by INFO with a callback, whether Redis has loaded its data. For a user who may not, it
 * goes on, but not without advice of its own on stderr: so here that user is told nothing. `checkServer` warns, once.
 */
function prepared(client: Redis): Redis {
  const info = client.info.bind(client) as (...args: unknown[]) => Promise<string>;
  const quiet = (...args: unknown[]) => {
    const [answer] = args as [InfoCallback?];
    if (typeof answer !== "function") return info(...args);
    const answered: InfoCallback = (error, text) => {
      if (error?.message.includes("NOPERM")) answer(null, "");
      else answer(error, text);
    };
    return info(answered);
  };
  client.info = quiet as Redis["info"];
  return withLateErrors(client);
}

/**
 * Creates a connection without connecting it. A command on a lost connection fails at once; the caller (connection.ts)
 * decides whether to try again. `secure` is for a target with TLS.
 */
export function createClient(target: RedisTarget, name: string, secure: RedisTls = {}): Client {
  const options = optionsOf(target, name, secure);
  if (target.kind === "cluster") {
    const cluster = new (redisLibrary().Cluster)([...target.nodes], {
      redisOptions: options,
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: reconnectDelay,
      clusterNodeRetryStrategy: reconnectDelay,
      retryDelayOnMoved: 10,
      slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
      slotsRefreshInterval: 5000,
    });
    cluster.on("+node", withLateErrors);
    return cluster as unknown as Client;
  }
  const client = createSingle(target, options);
  client.on("error", (error: Error & { command?: { name?: string } }) => {
    // The library would go on, on database 0, which is somebody else's.
    if (error.command?.name === "select") client.disconnect(true);
  });
  return client;
}

function createSingle(target: Exclude<RedisTarget, { readonly kind: "cluster" }>, options: RedisOptions): Redis {
  const { Redis } = redisLibrary();
  const single = { ...options, enableOfflineQueue: false, retryStrategy: reconnectDelay };
  if (target.kind === "socket") return prepared(new Redis({ ...single, path: target.path, db: target.db }));
  if (target.kind === "server")
    return prepared(new Redis({ ...single, host: target.host, port: target.port, db: target.db }));
  return prepared(
    new Redis({
      ...single,
      sentinels: [...target.nodes],
      name: target.master,
      db: target.db,
      // Sentinels commonly have no password, or the same one.
      sentinelRetryStrategy: reconnectDelay,
      sentinelCommandTimeout: SILENT_MS,
      failoverDetector: true,
      // `tls` alone has no effect with Sentinels.
      enableTLSForSentinelMode: target.tls,
      ...(options.tls !== undefined && { sentinelTLS: options.tls }),
    }),
  );
}

/** The socket of a connection to one server, while there is one. */
export function socketOf(client: Client): Socket | undefined {
  return connectorOf(client).stream;
}

/** Whether it is a connection to several nodes, of which one may be silent while the others answer. */
export function hasNodes(client: Client): boolean {
  return (client as unknown) instanceof redisLibrary().Cluster;
}

/** Asks all nodes of a cluster for a sign of life: the library makes the connection to a silent one anew. */
export function pingNodes(client: Client): void {
  const nodes = (client as unknown) instanceof redisLibrary().Cluster ? (client as unknown as Cluster).nodes() : [];
  for (const node of nodes) if (node.status === "ready") node.ping().catch(() => {});
}

/**
 * Creates the connection that subscribes to the channel. In a cluster it is a plain connection to one node, because a
 * message reaches every node; when it breaks, it goes to another node. The cluster client would not do: it moves its
 * subscriptions to another node silently, and messages in between would be lost unnoticed. `client` knows the nodes.
 */
export function createSubscriber(target: RedisTarget, name: string, client: Client, secure: RedisTls = {}): Client {
  if (target.kind !== "cluster") return createClient(target, name, secure);
  let turn = Math.floor(Math.random() * target.nodes.length);
  const next = (): HostPort => {
    const known = (client as unknown as Cluster).nodes("master").map(({ options }) => options as HostPort);
    const nodes = known.length > 0 ? known : target.nodes;
    return nodes[turn++ % nodes.length] as HostPort;
  };
  const subscriber = new (redisLibrary().Redis)({
    ...optionsOf(target, name, secure),
    ...next(),
    enableOfflineQueue: false,
    retryStrategy(times) {
      const { host, port } = next();
      Object.assign(subscriber.options, { host, port });
      return reconnectDelay(times);
    },
  });
  return prepared(subscriber);
}
