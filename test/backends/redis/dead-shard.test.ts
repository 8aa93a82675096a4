import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { type RedisCluster, startRedisCluster } from "../../support/redis.js";
import { created, finished, present } from "../../support/rpc.js";
import { startTestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";
import { newPrefix } from "./support/open.js";

const SLOTS = 16_384;

let cluster: RedisCluster;
let clients: readonly Redis[];
let url: string;

beforeAll(async () => {
  cluster = await startRedisCluster(3, { aof: "always" });
  clients = cluster.nodes.map((node) => node.client());
  url = `redis+cluster://${cluster.addresses.map(({ host, port }) => `${host}:${port}`).join(",")}`;
  for (const client of clients) await client.config("SET", "cluster-require-full-coverage", "no");
});
afterAll(() => {
  for (const client of clients) client.disconnect();
});

/** Returns the number of the node that has a queue. */
async function nodeOf(prefix: string, queue: string): Promise<number> {
  const slot = Number(await (clients[0] as Redis).call("CLUSTER", "KEYSLOT", `${prefix}:{${queue}}:meta`));
  return Math.floor(slot / Math.ceil(SLOTS / cluster.nodes.length));
}

test("a server starts while a shard is away, and serves the queues of the others", async () => {
  const prefix = newPrefix();
  // Not the node of the list of queues, nor of the default queue.
  const needed = [await nodeOf(prefix, "*"), await nodeOf(prefix, "default")];
  const gone = present([0, 1, 2].find((each) => !needed.includes(each)));
  const names: string[] = [];
  for (let n = 0; names.filter(Boolean).length < 3; n++) names[await nodeOf(prefix, `queue-${n}`)] ??= `queue-${n}`;
  const env = { USE_REDIS: "true", REDIS_URL: url, REDIS_PREFIX: prefix };
  const first = await startTestServer(env);
  for (const name of names) await first.queues.createQueue({ name });
  await first.stop();
  const node = present(cluster.nodes[gone]);
  await node.kill("SIGKILL");
  const server = await within(startTestServer(env), "the start", 20_000);
  const healthy = names.filter((_, at) => at !== gone);
  for (const queue of healthy) {
    const id = await created(server, { queue, type: "echo" });
    expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE });
  }
  await node.restart();
  const attempt = () => created(server, { queue: present(names[gone]), type: "echo" }).catch(() => undefined);
  const id = await eventually(attempt, "a create on the shard that is back");
  expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE });
});
