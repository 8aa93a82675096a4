import { beforeAll, describe, expect, test } from "vitest";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import { readExposition } from "../../support/exposition.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { startTestServer } from "../../support/server.js";
import { startServerProcess } from "../../support/server-process.js";
import { eventually } from "../../support/wait.js";
import { newPrefix, openBackend, openEngine } from "./support/open.js";

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

const environment = () => ({ USE_REDIS: "true", REDIS_URL: redis.url, REDIS_PREFIX: newPrefix(), NUM_WORKERS: "0" });

/** The sum of the series of this name over the pages of several servers. Undefined: none has one. */
async function sum(name: string, ...urls: string[]): Promise<number | undefined> {
  const pages = await Promise.all(
    urls.map(async (url) => readExposition(await (await fetch(`${url}/metrics`)).text())),
  );
  const series = pages.flatMap((page) => page.series.filter((each) => each.name === name));
  return series.length === 0 ? undefined : series.reduce((total, { value }) => total + value, 0);
}

describe("the figures of queues that several servers share", () => {
  test("are told by one of them, so that their sum is right", async () => {
    const env = environment();
    const [one, two] = [await startTestServer(env), await startTestServer(env)];
    await one.engine.jobs.create({ type: "work" });
    await two.engine.jobs.create({ type: "work", delayMs: 60_000 });
    for (let count = 0; count < 3; count++) {
      expect(await sum("gotaskq_queue_depth", one.url, two.url)).toBe(2);
      expect(await sum("gotaskq_queue_ready", two.url, one.url)).toBe(1);
      expect(await sum("gotaskq_tells_queues", one.url, two.url)).toBe(1);
    }
    expect(await sum("gotaskq_queues", one.url)).toBe(1);
    await one.stop();
    expect(await sum("gotaskq_queue_depth", two.url)).toBe(2);
  });

  test("go on within seconds when the server that told them is killed", async () => {
    const env = environment();
    const killed = await startServerProcess(env);
    const left = await startTestServer(env);
    await left.engine.jobs.create({ type: "work" });
    expect(await sum("gotaskq_queue_depth", killed.url)).toBe(1);
    expect(await sum("gotaskq_queue_depth", left.url)).toBeUndefined();
    await killed.end("SIGKILL");
    // After six seconds at the latest, but that is for Redis' clock to say, and the machine may be busy.
    const value = await eventually(() => sum("gotaskq_queue_depth", left.url), "figures by the other server", 30_000);
    expect(value).toBe(1);
  });

  test("come with what their Redis takes, told once, and how long its calls take", async () => {
    const env = environment();
    const [one, two] = [await startTestServer(env), await startTestServer(env)];
    await redis.client().config("SET", "maxmemory", String(2 ** 30));
    await Promise.all(Array.from({ length: 20 }, () => one.engine.jobs.create({ type: "work" })));
    expect(await sum("gotaskq_store_bytes", one.url, two.url)).toBeGreaterThan(500_000);
    expect(await sum("gotaskq_store_bytes", two.url)).toBeUndefined();
    expect(await sum("gotaskq_store_limit_bytes", one.url)).toBe(2 ** 30);
    const { series } = readExposition(await one.metrics());
    const value = (name: string) => series.find((each) => each.name === name && each.labels.call === "enqueue")?.value;
    expect(value("gotaskq_store_callers_total")).toBe(20);
    expect(value("gotaskq_store_call_duration_seconds_count")).toBeLessThanOrEqual(3);
    expect(await sum("gotaskq_store_disconnects_total", one.url)).toBe(0);
    await redis.client().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const broken = async () => (((await sum("gotaskq_store_disconnects_total", one.url)) ?? 0) > 0 ? true : undefined);
    await eventually(broken, "a connection that broke");
  });

  test("say that nobody takes a type only when no server has a worker for it", async () => {
    const env = environment();
    const server = await startTestServer(env);
    const at = { url: env.REDIS_URL, prefix: env.REDIS_PREFIX };
    const other = await openEngine(at, { handlers: { elsewhere: () => 1 }, numWorkers: 1 });
    await other.queues.pause("default");
    for (const type of ["elsewhere", "nobody", "nobody"]) await server.engine.jobs.create({ type });
    const { series } = readExposition(await server.metrics());
    expect(series.filter(({ name }) => name === "gotaskq_untaken_jobs")).toEqual([
      { name: "gotaskq_untaken_jobs", labels: { queue: "default", type: "nobody" }, value: 2 },
    ]);
  });
});

describe("what the workers of other servers take", () => {
  test("is not known while one of them, as an older one, says nothing", async () => {
    const at = { url: redis.url, prefix: newPrefix() };
    const { backend } = await openBackend(at);
    const one = await openEngine(at, { handlers: { work: () => 1 }, numWorkers: 1 });
    expect(await backend.takenElsewhere()).toEqual([{ queues: [], types: ["work"] }]);
    const { nodeTaken } = createKeys(at.prefix);
    const node = (one.backend as typeof backend).node as number;
    // What an earlier server with this node id left behind is not believed.
    await redis.client().hset(nodeTaken, node, 'other [[[],["work"]]]');
    expect(await backend.takenElsewhere()).toBeUndefined();
    await redis.client().hdel(nodeTaken, String(node));
    expect(await backend.takenElsewhere()).toBeUndefined();
    await one.stop(0);
    expect(await backend.takenElsewhere()).toEqual([]);
  });

  test("is not known when it is too much to tell", async () => {
    const at = { url: redis.url, prefix: newPrefix() };
    const { backend } = await openBackend(at);
    const handlers = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n} ${"x".repeat(80)}`, () => 1]));
    const engine = await openEngine(at, { handlers, numWorkers: 1 });
    expect(await backend.takenElsewhere()).toBeUndefined();
    await engine.stop(0);
  });
});
