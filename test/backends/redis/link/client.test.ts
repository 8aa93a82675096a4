import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { createClient, createSubscriber } from "../../../../src/backends/redis/link/client.js";
import { parseRedisUrl, type RedisTarget } from "../../../../src/backends/redis/link/url.js";
import { startRedis, startRedisCluster, startSentinel } from "../../../support/redis.js";
import { eventually } from "../../../support/wait.js";

const targetOf = (url: string): RedisTarget => parseRedisUrl(url) as RedisTarget;

/** Has the socket of a connection tell two errors. */
function breakTwice({ stream }: Redis): void {
  stream.emit("error", new Error("first"));
  expect(() => stream.emit("error", new Error("second"))).not.toThrow();
  stream.destroy();
}

test("a connection whose socket tells two errors is made anew, and ends nothing", async () => {
  const redis = await startRedis({ port: true });
  const client = createClient(targetOf(`redis://127.0.0.1:${redis.port}`), "one");
  await client.connect();
  breakTwice(client);
  const ping = async () => ((await client.ping().catch(() => "away")) === "PONG" ? true : undefined);
  await eventually(ping, "the connection to be made anew");
  breakTwice(client);
  client.disconnect();
});

test("so are those to the nodes of a cluster, and that of a subscriber", async () => {
  const { url } = await startRedisCluster(3);
  const client = createClient(targetOf(url), "many");
  await client.connect();
  const subscriber = createSubscriber(targetOf(url), "subscriber", client);
  subscriber.on("error", () => {});
  await subscriber.connect();
  breakTwice(subscriber);
  const ready = () => (client as unknown as { nodes(): Redis[] }).nodes().filter(({ status }) => status === "ready");
  const some = async () => (ready().length > 0 ? true : undefined);
  await eventually(some, "a node to be connected");
  for (const node of ready()) breakTwice(node);
  subscriber.disconnect();
  client.disconnect();
});

test("so are those that ask Sentinels for the master", async () => {
  const { sentinels, name } = await startSentinel();
  const [first] = sentinels;
  const client = createClient(targetOf(`redis+sentinel://${first?.host}:${first?.port}/${name}`), "watched");
  const { connector } = client as unknown as { connector: { connectToSentinel(endpoint: unknown): Redis } };
  const asking = connector.connectToSentinel(first);
  asking.on("error", () => {});
  await asking.ping();
  breakTwice(asking);
  asking.disconnect();
});
