import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import type { RedisBackend } from "../../../src/backends/redis/redis-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import type { Logger } from "../../../src/model/log/logger.js";
import { recordingLogger } from "../../support/logger.js";
import { type RedisCluster, startRedisCluster } from "../../support/redis.js";
import { created, finished, present, reading, refusal } from "../../support/rpc.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";
import { add, createQueue, done, leaseOne, only, readAll } from "../contract/support.js";
import { createBus } from "./support/bus.js";
import { nodeOf, queueOnEachNode, slotOf } from "./support/cluster-queues.js";
import { newPrefix, type OpenOptions, openBackend } from "./support/open.js";

const bus = createBus();
let cluster: RedisCluster;
let clients: readonly Redis[];
let url: string;

beforeAll(async () => {
  cluster = await startRedisCluster(3, { aof: "always", wayTo: bus.wayTo });
  clients = cluster.nodes.map((node) => node.client());
  url = cluster.url;
});
afterAll(() => {
  for (const client of clients) client.disconnect();
});

const startOn = (env: Readonly<Record<string, string>> = {}): Promise<TestServer> =>
  startTestServer({ USE_REDIS: "true", REDIS_URL: url, REDIS_PREFIX: newPrefix(), ...env });

/** Creates a queue on each node, and resolves to their names when another server knows them. */
async function queuesKnownTo(other: Backend, backend: Backend, prefix: string): Promise<string[]> {
  const queues = await queueOnEachNode(clients, prefix);
  for (const queue of queues) await createQueue(backend, queue);
  const areKnown = async () => ((await other.queueNames()).length > queues.length ? true : undefined);
  await eventually(areKnown, "the queues on the other server");
  return queues;
}

/** Forbids a command on nodes until the returned function is called, or the test ends. */
async function forbid(command: string, nodes: readonly Redis[]): Promise<() => Promise<unknown>> {
  const set = (sign: string) =>
    Promise.all(nodes.map((node) => node.call("ACL", "SETUSER", "default", `${sign}${command}`)));
  onTestFinished(() => void set("+"));
  await set("-");
  return () => set("+");
}

/** Opens a backend that hears the channel at another node than this one. */
async function openElsewhere(node: Redis, options: OpenOptions, logger: Logger): Promise<RedisBackend> {
  const listeners = async () =>
    [...String(await node.call("CLIENT", "LIST", "TYPE", "pubsub")).matchAll(/^id=(\d+)/gm)].map(([, id]) => id);
  for (;;) {
    const before = await listeners();
    const { backend } = await openBackend(options, { logger });
    if ((await listeners()).every((id) => before.includes(id))) return backend;
  }
}

/** Resolves when a read was refused. */
const isRefused = ({ lines }: ReturnType<typeof recordingLogger>) =>
  eventually(
    async () => lines.some(({ message }) => message.includes("could not be read")) || undefined,
    "a read that is refused",
  );

describe("on a cluster of three masters", () => {
  test("queues live on all of them; creates over several, reads by bare id, cursors and watches work over all", async () => {
    const prefix = newPrefix();
    const { backend: one } = await openBackend({ url, prefix });
    const { backend: two, heard } = await openBackend({ url, prefix });
    const queues = await queueOnEachNode(clients, prefix);
    for (const queue of queues) await createQueue(one, queue);
    const cursor = await one.head();
    const ids = await add(one, ...[...queues, "default", ...queues].map((queue) => ({ queue })));
    expect((await two.get(ids)).map((job) => job?.queue)).toEqual([...queues, "default", ...queues]);
    const isHeard = async () => (heard.changesHeard.length === ids.length ? true : undefined);
    await eventually(isHeard, "the changes on the other server");
    expect((await readAll(two, cursor)).changes.map(({ jobId }) => jobId).toSorted()).toEqual(ids.toSorted());
    for (const queue of queues) {
      const leased = await leaseOne(two, { queues: [queue] });
      expect(only(await one.complete([done(leased)])).outcome).toBe("APPLIED");
    }
    // All or nothing, although no step touches two queues.
    const unknown = add(one, { queue: queues[0] as string }, { queue: "unknown" });
    await expect(unknown).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
    expect(only(await one.queues([queues[0] as string])).stats).toMatchObject({ ready: 1, done: 1 });
  });

  test("a slot that moves to another node is followed", async () => {
    const prefix = newPrefix();
    const { backend } = await openBackend({ url, prefix });
    const queue = (await queueOnEachNode(clients, prefix))[0] as string;
    await createQueue(backend, queue);
    const [id = ""] = await add(backend, { queue });
    const slot = await slotOf(clients, prefix, queue);
    const [from, to] = clients as [Redis, Redis];
    const [fromId, toId] = await Promise.all(
      [from, to].map(async (node) => String(await node.call("CLUSTER", "MYID"))),
    );
    const port = cluster.nodes[1]?.port ?? 0;
    await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", String(fromId));
    await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", String(toId));
    const keys = (await from.call("CLUSTER", "GETKEYSINSLOT", slot, 1000)) as string[];
    await from.call("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", ...keys);
    for (const node of [to, from, clients[2] as Redis])
      await node.call("CLUSTER", "SETSLOT", slot, "NODE", String(toId));
    const [second = ""] = await add(backend, { queue });
    expect((await backend.get([id, second])).map((job) => job?.queue)).toEqual([queue, queue]);
    expect((await leaseOne(backend, { queues: [queue] })).job.id).toBe(id);
    expect(await to.hlen(`${prefix}:{${queue}}:specs`)).toBe(2);
  });

  test("changes are heard though the node that told of them closes its connections", async () => {
    const prefix = newPrefix();
    const { backend: one } = await openBackend({ url, prefix });
    const { backend: two, heard } = await openBackend({ url, prefix });
    await add(one, {});
    await eventually(async () => (heard.changesHeard.length === 1 ? true : undefined), "the first change");
    for (let turn = 0; turn < 3; turn++) {
      for (const client of clients) await client.call("CLIENT", "KILL", "TYPE", "pubsub");
      const [id = ""] = await add(one, {});
      // Nothing else happens in this queue that would show that something was missed.
      const isHeard = async () => heard.changesHeard.find(({ jobId }) => jobId === id);
      await eventually(isHeard, `the change of turn ${turn}`);
    }
    expect(heard.changesHeard.map(({ jobId }) => jobId)).toHaveLength(4);
    expect((await two.get(heard.changesHeard.map(({ jobId }) => jobId))).every(Boolean)).toBe(true);
  });

  test("changes are heard though messages between the nodes were lost, the last ones of their queues", async () => {
    const prefix = newPrefix();
    const { backend: one } = await openBackend({ url, prefix });
    const { backend: two, heard } = await openBackend({ url, prefix });
    const queues = await queuesKnownTo(two, one, prefix);
    const jobs = queues.map((queue) => ({ queue }));
    const ids = await add(one, ...jobs);
    const areHeard = async () => (heard.changesHeard.length === ids.length ? true : undefined);
    await eventually(areHeard, "the first changes on the other server");
    heard.readyHeard = [];
    const find = bus.lose();
    ids.push(...(await add(one, ...jobs)));
    bus.cut();
    find();
    for (const queue of queues) await within(heard.heardReady(queue), `that ${queue} has something ready`);
    await eventually(areHeard, "the changes on the other server");
    expect(heard.changesHeard.map(({ jobId }) => jobId).toSorted()).toEqual(ids.toSorted());
  });

  test("what was missed is read though it could not be read at first, and nothing else happens", async () => {
    const prefix = newPrefix();
    const logger = recordingLogger();
    const { backend: one } = await openBackend({ url, prefix });
    const { backend: two, heard } = await openBackend({ url, prefix }, { logger });
    const queues = await queuesKnownTo(two, one, prefix);
    onTestFinished(bus.lose("missed"));
    // Before anything is missed: a heartbeat may find it by itself.
    const allow = await forbid("xrange", clients);
    const ids = await add(one, ...queues.map((queue) => ({ queue, type: "missed" })));
    ids.push(...(await add(one, ...queues.map((queue) => ({ queue })))));
    await isRefused(logger);
    await allow();
    const isHeard = async () => (heard.changesHeard.length === ids.length ? true : undefined);
    await eventually(isHeard, "the changes on the other server");
    expect((await two.get(ids)).every(Boolean)).toBe(true);
  });

  test("the list of queues is read though it could not be read at first", async () => {
    const prefix = newPrefix();
    const logger = recordingLogger();
    const { backend: one } = await openBackend({ url, prefix });
    const registry = await nodeOf(clients, prefix, "*");
    const two = await openElsewhere(clients[registry] as Redis, { url, prefix }, logger);
    const elsewhere = async (name: string): Promise<string> =>
      (await nodeOf(clients, prefix, name)) === registry ? elsewhere(`x${name}`) : name;
    const [missed, heard] = [await elsewhere("missed"), await elsewhere("heard")];
    onTestFinished(bus.lose("missed"));
    const allow = await forbid("hgetall", [clients[registry] as Redis]);
    await createQueue(one, missed);
    await createQueue(one, heard);
    await isRefused(logger);
    await allow();
    const isThere = async () => ((await two.queueNames()).some(({ name }) => name === missed) ? true : undefined);
    await eventually(isThere, "the queue that was missed");
  });

  test("a node that comes back empty: the default queue is made anew at the next create in it", async () => {
    const prefix = newPrefix();
    const server = await startOn({ REDIS_PREFIX: prefix });
    const node = clients[await nodeOf(clients, prefix, "default")] as Redis;
    await node.unlink(...(await node.keys(`${prefix}:{default}:*`)));
    expect(await finished(server, await created(server, { type: "echo" }))).toMatchObject({ status: JobStatus.DONE });
  });

  test.each(["SIGKILL", "SIGSTOP"] as const)(
    "a master that is gone by %s is away for its queues, and everything goes on when it is back",
    async (signal) => {
      const prefix = newPrefix();
      const server = await startOn({ REDIS_PREFIX: prefix });
      const queues = await queueOnEachNode(clients, prefix);
      for (const name of queues) await server.queues.createQueue({ name });
      const leave = new AbortController();
      const changes = reading(server.jobs.watchJobs({}, { signal: leave.signal }));
      await changes.next();
      // Not the node that has the list of queues.
      const registry = await nodeOf(clients, prefix, "*");
      const gone = [0, 1, 2].find((node) => node !== registry) as number;
      const node = present(cluster.nodes[gone]);
      await node.kill(signal);
      expect(
        await within(
          refusal(server.jobs.createJob({ queue: queues[gone] as string, type: "echo" })),
          "a refusal",
          2500,
        ),
      ).toMatchObject({
        code: "UNAVAILABLE",
        reason: "BACKEND_UNAVAILABLE",
      });
      if (signal === "SIGKILL") await node.restart();
      else await node.kill("SIGCONT");
      for (const queue of queues) {
        const attempt = () => created(server, { queue, type: "echo" }).catch(() => undefined);
        const id = await eventually(attempt, `a create in ${queue}`);
        expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE });
        await changes.until(
          ({ event }) => event.case === "change" && event.value.jobId === id && event.value.status === JobStatus.DONE,
        );
      }
      leave.abort();
    },
  );
});
