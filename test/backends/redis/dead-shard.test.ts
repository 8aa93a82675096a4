import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { type RedisCluster, startRedisCluster } from "../../support/redis.js";
import { created, finished, present } from "../../support/rpc.js";
import { startTestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";
import { nodeOf, queueOnEachNode } from "./support/cluster-queues.js";
import { newPrefix } from "./support/open.js";

let cluster: RedisCluster;
let clients: readonly Redis[];

beforeAll(async () => {
  cluster = await startRedisCluster(3, { aof: "always" });
  clients = cluster.nodes.map((node) => node.client());
  for (const client of clients) await client.config("SET", "cluster-require-full-coverage", "no");
});
afterAll(() => {
  for (const client of clients) client.disconnect();
});

test("a server starts while a shard is away, and serves the queues of the others", async () => {
  const prefix = newPrefix();
  // Not the node of the list of queues, nor of the default queue.
  const needed = [await nodeOf(clients, prefix, "*"), await nodeOf(clients, prefix, "default")];
  const gone = present([0, 1, 2].find((each) => !needed.includes(each)));
  const names = await queueOnEachNode(clients, prefix);
  const env = { USE_REDIS: "true", REDIS_URL: cluster.url, REDIS_PREFIX: prefix };
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
