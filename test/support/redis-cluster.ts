import { freePort } from "./free-port.js";
import { type RedisServer, type StartRedisOptions, startRedis } from "./redis-server.js";
import { eventually } from "./wait.js";

/** The number of hash slots in Redis Cluster. */
export const SLOTS = 16_384;

/** A real Redis Cluster of masters without replicas, each with its share of the slots. */
export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  /** Where each node listens, in the form of ioredis. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** The same, as a REDIS_URL. */
  readonly url: string;
  /** Ends all nodes for good. */
  stop(): Promise<void>;
}

/** Options of `startRedisCluster`. */
export interface StartClusterOptions extends Pick<StartRedisOptions, "aof" | "tls"> {
  /** Makes a way to the bus port of a node, and resolves to the port that the other nodes are told. Default: there is none. */
  readonly wayTo?: (busPort: number) => Promise<number>;
}

/**
 * Starts a cluster of masters on free ports of the loopback address, and resolves when every node serves every slot. By
 * default it keeps nothing on disk: a node that restarts comes back empty. With `tls`, it is in use everywhere.
 */
export async function startRedisCluster(masters = 3, options: StartClusterOptions = {}): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: masters }, () => startNode(options)));
  const stop = async () => {
    await Promise.all(nodes.map(({ server }) => server.dispose()));
  };
  try {
    await join(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  const addresses = nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
  return {
    nodes: nodes.map(({ server }) => server),
    addresses,
    url: `redis${options.tls === undefined ? "" : "s"}+cluster://${addresses.map(({ host, port }) => `${host}:${port}`).join(",")}`,
    stop,
  };
}

interface Node {
  readonly server: RedisServer;
  readonly port: number;
  readonly busPort: number;
}

async function startNode({ aof, tls, wayTo }: StartClusterOptions): Promise<Node> {
  // By default the bus port is the port + 10,000, which may be in use.
  const port = await freePort();
  const args = ["--cluster-enabled", "yes", "--cluster-port", String(port), "--cluster-node-timeout", "2000"];
  const busPort = (await wayTo?.(port)) ?? port;
  if (busPort !== port) args.push("--cluster-announce-bus-port", String(busPort));
  if (tls !== undefined) args.push("--tls-cluster", "yes");
  // With TLS, nodes and clients use its port only.
  const way = tls === undefined ? { port: true } : { tls };
  const server = await startRedis({ ...way, args, ...(aof !== undefined && { aof }) });
  return { server, port: server.port ?? server.tlsPort, busPort };
}

async function join(nodes: readonly Node[]): Promise<void> {
  const clients = nodes.map(({ server }) => server.client());
  const share = Math.ceil(SLOTS / nodes.length);
  await Promise.all(
    clients.map(async (client, index) => {
      await client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      const last = Math.min((index + 1) * share, SLOTS) - 1;
      await client.call("CLUSTER", "ADDSLOTSRANGE", index * share, last);
    }),
  );
  const [first, ...others] = clients;
  for (const { port, busPort } of nodes.slice(1)) {
    await first?.call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
  }
  const isReady = async () => {
    const states = await Promise.all(clients.map((client) => client.call("CLUSTER", "INFO")));
    const knowsAll = new RegExp(`cluster_known_nodes:${nodes.length}\\b`);
    return states.every((info) => /cluster_state:ok/.test(String(info)) && knowsAll.test(String(info))) || undefined;
  };
  // A node refuses to serve for the first two seconds of its life.
  await eventually(isReady, "a cluster whose nodes all serve");
  for (const client of [first, ...others]) client?.disconnect();
}
