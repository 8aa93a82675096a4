import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, inject, onTestFinished, test } from "vitest";
import { createClient, type TaskQueueClient } from "../../src/client/index.js";
import { pendingCount } from "../../src/model/queue/pending-counts.js";
import { startRedis } from "../support/redis.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { eventually } from "../support/wait.js";

const QUEUES = ["default", "mail", "images"];

/** Jobs that must have been done between two steps of the upgrade. */
const STEP = 300;

/** Passes connections on to the servers that are up, in turn, as a load balancer does. */
async function startBalancer(servers: () => readonly ServerProcess[]): Promise<string> {
  const open = new Set<Socket>();
  let turn = 0;
  const balancer = createServer((near) => {
    const up = servers();
    const url = new URL(up[turn++ % up.length]?.url ?? "");
    const far = connect(Number(url.port), url.hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.pipe(other);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  balancer.listen(0, "127.0.0.1");
  await once(balancer, "listening");
  onTestFinished(() => {
    balancer.close();
    for (const socket of open) socket.destroy();
  });
  return `http://127.0.0.1:${(balancer.address() as AddressInfo).port}`;
}

/** The client of the old commit: servers are upgraded before clients, as a new client may say what an old server does not know. */
async function oldClient(): Promise<typeof createClient> {
  const module = await import(pathToFileURL(join(dirname(inject("oldMain")), "client/index.js")).href);
  return module.createClient;
}

/** Creates jobs until it is stopped: plain ones, delayed ones, some that fail once, some with a request id. */
function produce(client: TaskQueueClient) {
  const ids: string[] = [];
  let isOver = false;
  const running = (async () => {
    for (let n = 0; !isOver; n += 10) {
      const jobs = Array.from({ length: 10 }, (_, at) => ({
        queue: QUEUES[(n + at) % QUEUES.length],
        type: at === 3 ? "fail" : "echo",
        payload: at === 3 ? { times: 1 } : { n: n + at },
        priority: at,
        backoff: { baseDelayMs: 20 },
        ...(at === 5 && { delayMs: 200 }),
        ...(at === 7 && { requestId: `request ${n}` }),
      }));
      ids.push(...(await client.createBatch(jobs)).map(({ id }) => id));
    }
  })();
  return {
    ids,
    async stop() {
      isOver = true;
      await running;
    },
  };
}

test.skipIf(inject("oldMain") === "")(
  "servers are upgraded one at a time under load: no job is lost or done twice, no call fails, no watch misses a change",
  async () => {
    const redis = await startRedis();
    const env = { USE_REDIS: "true", REDIS_URL: redis.url, QUEUES: QUEUES.slice(1).join(","), COMPLETE_JOB_TTL: "1h" };
    const startOld = () => startServerProcess(env, undefined, inject("oldMain"));
    const startNew = () => startServerProcess(env);
    const up: ServerProcess[] = [await startOld(), await startOld()];
    const url = await startBalancer(() => up);
    const client = (await oldClient())(url, { retryMs: 30_000 });
    onTestFinished(() => client.close());

    const finished = new Map<string, string[]>();
    const watch = new AbortController();
    const watching = (async () => {
      for await (const event of client.watchJobs(
        { statuses: ["DONE", "DEAD", "CANCELED"] },
        { signal: watch.signal },
      )) {
        if (event.kind !== "event") continue;
        const { jobId, status } = event.change;
        finished.set(jobId, [...(finished.get(jobId) ?? []), status]);
      }
    })().catch((error) => {
      if (!watch.signal.aborted) throw error;
    });

    const producer = produce(client);
    const progress = async () => {
      const from = finished.size;
      await eventually(async () => finished.size >= from + STEP || undefined, `${STEP} more jobs`, 60_000);
    };
    /** One server is replaced: there is one more for a while, as in a rolling upgrade. */
    const replace = async (start: () => Promise<ServerProcess>) => {
      await progress();
      up.push(await start());
      await progress();
      expect(await up.shift()?.end()).toBe(0);
    };
    await replace(startNew);
    await replace(startNew);
    // And back, for an upgrade that is called off.
    await replace(startOld);
    await replace(startNew);
    await progress();
    await producer.stop();

    const { ids } = producer;
    await eventually(async () => ids.every((id) => finished.has(id)) || undefined, "the end of all jobs", 60_000);
    watch.abort();
    await watching;
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(finished.get(id), id).toEqual(["DONE"]);
    const upgraded = createClient(url, { retryMs: 30_000 });
    onTestFinished(() => upgraded.close());
    const queues = await upgraded.queues.list();
    const counts = queues.map(({ stats }) => [pendingCount(stats), stats.running, stats.dead]);
    expect(counts).toEqual(QUEUES.map(() => [0, 0, 0]));
    const retried = ids.filter((_, at) => at % 10 === 3);
    for (const id of retried.slice(0, 50))
      expect(await upgraded.get(id)).toMatchObject({ retryCount: 1, lostLeases: 0 });
    for (const server of up) expect(await server.end()).toBe(0);
  },
);
