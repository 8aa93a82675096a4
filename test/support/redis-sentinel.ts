import type { Redis } from "ioredis";
import { type RedisServer, startRedis } from "./redis-server.js";
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

/** Starts the three on free ports of the loopback address, and resolves when the Sentinel knows both others. */
export async function startSentinel(): Promise<RedisSentinel> {
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
    let master = await start({ port: true, args });
    let replica = await start({ port: true, args: [...args, "--replicaof", "127.0.0.1", String(master.port)] });
    const isLinked = async () => /master_link_status:up/.test(await replication(replica)) || undefined;
    await eventually(isLinked, "a replica that is linked to its master");
    await untilReplicated(master);

    // The Sentinel is started last: it looks for replicas when it starts, and then only every ten seconds.
    const sentinel = await start({ port: true, args: ["--sentinel"], config: configFor(master) });
    const client = sentinel.client();
    const knowsReplica = async () => {
      const found = JSON.stringify(await client.call("SENTINEL", "REPLICAS", NAME));
      // Neither down nor not yet read: the Sentinel could choose this replica now.
      return (/"flags"[,:]"slave"/.test(found) && /"master-link-status"[,:]"ok"/.test(found)) || undefined;
    };
    await eventually(knowsReplica, "a Sentinel that knows the replica");

    return {
      name: NAME,
      sentinels: [{ host: "127.0.0.1", port: sentinel.port ?? 0 }],
      sentinel,
      master: () => master,
      replica: () => replica,
      async failover(how = "kill") {
        if (how === "kill") await master.kill("SIGKILL");
        else await client.call("SENTINEL", "FAILOVER", NAME);
        await eventually(() => isMaster(client, replica), `a failover to port ${replica.port}`, 20_000);
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
    `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 1`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 1000`,
    "",
  ].join("\n");
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
  if (address[1] !== String(server.port)) return undefined;
  return /role:master/.test(await replication(server)) || undefined;
}
