import { createTaskQueue, silentLogger, type TaskQueueOptions } from "gotaskq";
import { createClient } from "gotaskq/client";
import { createClient as createWebClient } from "gotaskq/client/web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { section } from "../support/readme.js";
import { startRedis, type UsableRedis } from "../support/redis.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { CONVERSIONS, HTTP_CONVERSIONS } from "./conversions.js";
import { handlers, testTaskQueue, usesAndEnds } from "./task-queue-suite.js";

const ends: (() => unknown)[] = [];
let redis: UsableRedis;
let servers: readonly [memory: TestServer, redis: TestServer];

beforeAll(async () => {
  redis = await startRedis();
  const onRedis = { USE_REDIS: "true", REDIS_URL: redis.url, REDIS_PREFIX: "server" };
  servers = await Promise.all([startTestServer({}, { handlers }), startTestServer(onRedis, { handlers })]);
});
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

async function library(options: TaskQueueOptions = {}) {
  const queue = createTaskQueue({ handlers, logger: silentLogger, ...options });
  ends.push(() => queue.stop({ timeoutMs: 0 }));
  await queue.start();
  return queue;
}

function client(create: typeof createClient, { url }: TestServer) {
  const made = create(url);
  ends.push(() => made.close());
  return made;
}

describe("the library in memory", () => testTaskQueue(() => library()));
describe("the library on Redis", () => testTaskQueue(() => library({ redisUrl: redis.url, redisPrefix: "library" })));
describe("a client of a server in memory", () => testTaskQueue(() => client(createClient, servers[0])));
describe("a client for browsers, of a server on Redis", () => testTaskQueue(() => client(createWebClient, servers[1])));

test("a task queue of a program ends with the block that it was made in", async () => {
  const queue = createTaskQueue({ handlers, logger: silentLogger });
  expect(await usesAndEnds(queue)).toBe(1);
  await expect(queue.create({ type: "echo" })).rejects.toMatchObject({ reason: "SERVER_DRAINING" });
  expect(await queue.server.health()).toBe("NOT_SERVING");
});

test("the README tells what travels, and no more", () => {
  const rows = [...section("src/client/README.md", "What travels").matchAll(/^\| (.+?) \| (.+?) \|$/gm)].slice(1);
  const told = rows.map(([, given, arrives]) => `${given}: ${arrives === "refused" ? "refused" : "arrives"}`);
  const tested = CONVERSIONS.map(({ given, arrives }) => `${given}: ${arrives === undefined ? "refused" : "arrives"}`);
  expect(told).toEqual([...new Set(tested)]);
});

test.each(HTTP_CONVERSIONS)("HTTP JSON with the payload $sent", async ({ sent, arrives, refusal }) => {
  const response = await fetch(`${servers[0].url}/gotaskq.v1.JobService/CreateJob`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"type":"nobody","payload":${sent}}`,
  });
  const text = await response.text();
  if (arrives !== undefined) expect(text).toContain(`"payload":${arrives},`);
  else expect(JSON.parse(text).message).toContain(refusal);
});
