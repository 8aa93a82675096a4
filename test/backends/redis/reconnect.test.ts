import { describe, expect, test } from "vitest";
import { newJob } from "../../support/job.js";
import { recordingLogger } from "../../support/logger.js";
import { startRedis } from "../../support/redis.js";
import { reading } from "../../support/rpc.js";
import { eventually, within } from "../../support/wait.js";
import { commandCounts, newPrefix, openBackend, openEngine } from "./support/open.js";
import { startProxy } from "./support/proxy.js";

const QUEUES = Array.from({ length: 150 }, (_, n) => `queue-${n}`);

describe("after a break of all connections", () => {
  test("each queue costs one read, and what became due or changed meanwhile is noticed", async () => {
    const redis = await startRedis();
    const logger = recordingLogger();
    const at = { url: redis.url, prefix: newPrefix() };
    const engine = await openEngine(at, { numWorkers: 0, logger });
    const other = await openEngine(at, { numWorkers: 0, logger });
    await Promise.all(QUEUES.map((queue) => engine.queues.create(queue)));
    const leave = new AbortController();
    const watch = reading(engine.watches.watchJobs({}, undefined, leave.signal));
    await within(watch.next(), "the first heartbeat");
    const admin = redis.client();
    await admin.config("RESETSTAT");
    const returns = () => logger.lines.filter(({ message }) => message === "Redis is there").length;
    for (const type of ["normal", "pubsub"]) await admin.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
    await eventually(async () => (returns() >= 2 ? true : undefined), "the news that Redis is there");
    const { job } = await other.jobs.create({ type: "mark", queue: "queue-7" });
    await watch.until((event) => event.kind === "event" && event.change.jobId === job.id);
    const count = async () => {
      const now = await commandCounts(admin);
      return (now.get("evalsha") ?? 0) >= 2 * QUEUES.length ? now : undefined;
    };
    const counts = await eventually(count, "a look of both servers at each queue");
    // The rest is what connecting, and the create, cost.
    expect(counts.get("evalsha")).toBeLessThan(2 * QUEUES.length + 60);
    expect(counts.get("publish") ?? 0).toBeLessThan(10);
    expect(counts.get("srandmember") ?? 0).toBe(0);
    leave.abort();
  });

  test("there is no cursor of all logs before what was on its way has been heard", async () => {
    const redis = await startRedis({ port: true });
    const proxy = await startProxy(redis.port ?? 0);
    const { backend, heard } = await openBackend({ url: `redis://127.0.0.1:${proxy.port}`, prefix: newPrefix() });
    await backend.enqueue([newJob()]);
    await eventually(async () => heard.changesHeard[0], "the change");
    expect(backend.told(undefined)).toBeDefined();
    heard.clear();
    const goOn = proxy.lag();
    await redis.client().call("CLIENT", "KILL", "TYPE", "pubsub");
    // The queue has been looked at; later than that may be what the channel still brings.
    await within(heard.heardReady("default"), "the look");
    await backend.now();
    expect(backend.told(undefined)).toBeUndefined();
    goOn();
    await eventually(async () => backend.told(undefined), "the cursor");
  });

  test("a job whose time came meanwhile runs, and so does one of a queue that was resumed", async () => {
    const redis = await startRedis({ port: true });
    const logger = recordingLogger();
    const at = { url: redis.url, prefix: newPrefix() };
    const done: string[] = [];
    const handlers = { mark: async (job: { readonly queue: string }) => void done.push(job.queue) };
    const engine = await openEngine(at, { handlers, logger, queues: ["late", "paused", "open"] });
    await engine.queues.pause("paused");
    await engine.jobs.create({ type: "mark", queue: "paused" });
    await engine.jobs.create({ type: "mark", queue: "late", delayMs: 1000 });
    // Without its subscription the server hears nothing; the queue is resumed behind its back.
    const admin = redis.client();
    await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    await admin.hset(`${at.prefix}:{paused}:meta`, "paused", 0);
    await eventually(async () => (done.length === 2 ? true : undefined), "both jobs");
    expect(done.toSorted()).toEqual(["late", "paused"]);
  });
});
