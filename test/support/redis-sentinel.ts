import type { Redis } from "ioredis";
import { type RedisServer, type StartRedisOptions, startRedis } from "./redis-server.js";
import { eventually } from "./wait.js";

const NAME = "gotaskq";

/** A real master with one replica, watched by one Sentinel that decides alone. */
export interface RedisSentinel {
  /** The name of the master. */
  readonly name: string;
  /** Where the Sentinel listens, in the form of ioredis. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  readonly sentinel: RedisServer;
  /** Returns the current master. */
  master(): RedisServer;
  /** Returns the other one. */
  replica(): RedisServer;
  /**
   * Makes the replica the master and resolves when it is. `kill` ends the old master by SIGKILL. `ask` leaves it alive:
   * it still accepts writes, which are lost, until the Sentinel makes it a replica some ten seconds later.
   */
  failover(how?: "kill" | "ask"): Promise<void>;
  /** Ends all three for good. */
  stop(): Promise<void>;
}

/**
 * Starts the three on free ports of the loopback address, and resolves when the Sentinel knows both others. With `tls`, it is in
 * use everywhere.
 */
export async function startSentinel({ tls }: Pick<StartRedisOptions, "tls"> = {}): Promise<RedisSentinel> {
  const started: RedisServer[] = [];
  const start = async (...args: Parameters<typeof startRedis>) => {
    const server = await startRedis(...args);
    started.push(server);
    return server;
  };
  const stop = async () => {
    await Promise.all(started.map((server) => server.dispose()));
  };
  try {
    // By default a replica waits five seconds for others that might come.
    const args = ["--repl-diskless-sync-delay", "0"];
    if (tls !== undefined) args.push("--tls-replication", "yes");
    const way = tls === undefined ? { port: true } : { tls };
    let master = await start({ ...way, args });
    let replica = await start({ ...way, args: [...args, "--replicaof", "127.0.0.1", String(portOf(master))] });
    const isLinked = async () => /master_link_status:up/.test(await replication(replica)) || undefined;
    await eventually(isLinked, "a replica that is linked to its master");
    await untilReplicated(master);

    // The Sentinel is started last: it looks for replicas when it starts, and then only every ten seconds.
    const sentinel = await start({
      ...way,
      args: ["--sentinel", ...args.slice(2)],
      config: configFor(master),
    });
    const client = sentinel.client();
    const knowsReplica = async () => {
      const found = JSON.stringify(await client.call("SENTINEL", "REPLICAS", NAME));
      // Neither down nor not yet read: the Sentinel could choose this replica now.
      return (/"flags"[,:]"slave"/.test(found) && /"master-link-status"[,:]"ok"/.test(found)) || undefined;
    };
    await eventually(knowsReplica, "a Sentinel that knows the replica");

    return {
      name: NAME,
      sentinels: [{ host: "127.0.0.1", port: portOf(sentinel) }],
      sentinel,
      master: () => master,
      replica: () => replica,
      async failover(how = "kill") {
        if (how === "kill") await master.kill("SIGKILL");
        else await client.call("SENTINEL", "FAILOVER", NAME);
        await eventually(() => isMaster(client, replica), `a failover to port ${portOf(replica)}`, 20_000);
        [master, replica] = [replica, master];
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configFor(master: RedisServer): string {
  return [
    `sentinel monitor ${NAME} 127.0.0.1 ${portOf(master)} 1`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 1000`,
    "",
  ].join("\n");
}

/** The port that servers and clients use. */
function portOf({ port, tlsPort }: RedisServer): number {
  return port ?? tlsPort;
}

async function replication(server: RedisServer): Promise<string> {
  const client = server.client();
  try {
    return await client.info("replication");
  } finally {
    client.disconnect();
  }
}

/**
 * Resolves when the replica gets writes: a linked one gets none before its first acknowledgement, up to a second later.
 */
async function untilReplicated(master: RedisServer): Promise<void> {
  const client = master.client();
  await client.set("probe", "");
  await client.del("probe");
  if ((await client.wait(1, 10_000)) !== 1) throw new Error("the replica does not follow its master");
  client.disconnect();
}

/** Whether a server accepts writes and the Sentinel sends clients to it. */
async function isMaster(sentinel: Redis, server: RedisServer): Promise<true | undefined> {
  const address = (await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)) as string[];
  if (address[1] !== String(portOf(server))) return undefined;
  return /role:master/.test(await replication(server)) || undefined;
}
