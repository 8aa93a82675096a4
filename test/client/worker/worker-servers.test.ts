import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { freePort } from "../../support/free-port.js";
import { startSharedRedis } from "../../support/redis.js";
import { startTestServer } from "../../support/server.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { startProxy } from "../proxy.js";
import { atEnd, clientOf, startServerAlone, startWorker } from "../support.js";

let redis: string;

beforeAll(async () => {
  redis = (await startSharedRedis()).url;
});

test("a worker whose connection breaks keeps its jobs, never runs more than it can, and is listed once", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const proxy = await startProxy(server.port);
  const client = clientOf(server.url);
  const release = signal();
  let running = 0;
  let most = 0;
  let full = signal();
  const worker = await startWorker({
    url: proxy.url,
    concurrency: 4,
    handlers: {
      async work() {
        most = Math.max(most, ++running);
        if (running === 4) full.fire();
        await release.fired;
        running--;
      },
      short() {},
    },
  });
  const made = await client.createBatch(Array.from({ length: 10 }, () => ({ type: "work" })));
  await within(full.fired, "four running jobs");
  proxy.cut();
  expect(worker.jobIds).toHaveLength(4);
  full = signal();
  release.fire();
  for (const { id } of made) {
    expect(await within(client.wait(id), "the end of a job")).toMatchObject({
      status: "DONE",
      deliveries: 1,
      lostLeases: 0,
    });
  }
  expect(most).toBeLessThanOrEqual(4);
  // It may have several streams now, each for a part of its capacity.
  const isWhole = async () => {
    const { workers } = await server.info.listWorkers({});
    expect(workers.length).toBeLessThanOrEqual(1);
    return workers[0]?.capacity === 4 ? true : undefined;
  };
  await eventually(isWhole, "the worker, listed with its whole capacity");
  expect(await server.metrics()).toContain('gotaskq_remote_workers{kind="stream"} 1');
});

test("outcomes are told when the server is back, and at another server of the same Redis", async () => {
  const port = await freePort();
  const env = { USE_REDIS: "true", REDIS_URL: redis };
  const first = await startServerAlone({ ...env, PORT: String(port) });
  const second = await startServerAlone(env);
  atEnd(() => second.end("SIGKILL"));
  const client = clientOf(second.url);
  const began = signal();
  const release = signal();
  await client.queues.create("moved");
  await startWorker({
    url: [first.url, second.url],
    queues: ["moved"],
    handlers: {
      async work() {
        began.fire();
        await release.fired;
        return "told elsewhere";
      },
      after: () => "taken elsewhere",
    },
  });
  const { job } = await client.create({ queue: "moved", type: "work" });
  await within(began.fired, "the start");
  await first.end("SIGKILL");
  release.fire();
  expect(await within(client.wait(job.id), "the end of the job")).toMatchObject({
    ...{ status: "DONE", result: "told elsewhere", deliveries: 1, lostLeases: 0 },
  });
  const after = client.createAndWait({ queue: "moved", type: "after" });
  expect(await within(after, "a job of the other server")).toMatchObject({ result: "taken elsewhere" });
});

test("a worker and a watch go on over a kill of a server with a file: the outcome is told, and each change once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-worker-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const env = { DATA_DIR: folder, PORT: String(await freePort()) };
  let server = await startServerAlone(env);
  atEnd(() => server.end("SIGKILL"));
  const client = clientOf(server.url);
  const watching = signal();
  const leave = new AbortController();
  const seen: unknown[] = [];
  const watch = (async () => {
    for await (const event of client.watchJobs({}, { signal: leave.signal })) {
      watching.fire();
      if (event.kind === "event") seen.push([event.change.jobId, event.change.revision, event.change.status]);
      if (seen.length === 6) return;
    }
  })();
  atEnd(() => leave.abort());
  await within(watching.fired, "the watch");
  const began = signal();
  const release = signal();
  await startWorker({
    url: server.url,
    handlers: {
      async work() {
        began.fire();
        await release.fired;
        return "told after the restart";
      },
      after: () => "taken after the restart",
    },
  });
  const { job } = await client.create({ type: "work" });
  await within(began.fired, "the start");
  await server.end("SIGKILL");
  release.fire();
  server = await startServerAlone(env);
  expect(await within(client.wait(job.id), "the end of the job")).toMatchObject({
    ...{ status: "DONE", result: "told after the restart", deliveries: 1, lostLeases: 0 },
  });
  const { id, result } = await within(client.createAndWait({ type: "after" }), "a job of the started server");
  expect(result).toBe("taken after the restart");
  await within(watch, "all changes");
  const story = (jobId: string) => ["PENDING", "RUNNING", "DONE"].map((status, at) => [jobId, at + 1, status]);
  expect(seen).toEqual([...story(job.id), ...story(id)]);
});

test("a worker that lost its lease stops its handler, and changes nothing", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const proxy = await startProxy(server.port);
  const client = clientOf(server.url);
  const began = signal();
  const reasons: unknown[] = [];
  await startWorker({
    url: proxy.url,
    leaseMs: 1000,
    handlers: {
      async work(_job, { signal: abort }) {
        began.fire();
        await new Promise<void>((resolve) => abort.addEventListener("abort", () => resolve(), { once: true }));
        reasons.push((abort.reason as { reason?: unknown }).reason);
        return "too late";
      },
    },
  });
  const { job } = await client.create({ type: "work" });
  await within(began.fired, "the start");
  proxy.lead(1);
  proxy.cut();
  await startWorker({ url: server.url, handlers: { work: () => "by another" } });
  expect(await within(client.wait(job.id), "the end of the job", 20_000)).toMatchObject({
    ...{ status: "DONE", result: "by another", retryCount: 0 },
  });
  await eventually(async () => (reasons.length > 0 ? true : undefined), "the abort");
  expect(reasons).toEqual(["LEASE_LOST"]);
});
