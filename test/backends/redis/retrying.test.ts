import type { Redis } from "ioredis";
import { beforeEach, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { newPrefix } from "./support/open.js";
import { createRunner } from "./support/scripts.js";

// Servers of older versions keep no list of the jobs among the delayed ones that wait out a backoff, and take none out of it.

let redis: RedisServer;
let admin: Redis;

beforeEach(async () => {
  redis ??= await startRedis();
  admin ??= redis.client();
});

/** A queue with a job that waits out a backoff of a minute, and one that is delayed for two. */
async function opened() {
  const runner = createRunner(admin, newPrefix(), "mail", FEATURES);
  const { run, base } = runner;
  const [retrying, delayed] = ["119173640645246976", "119173640645246977"] as const;
  await run("create", "", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
  await run("enqueue", 1, "c", 1, retrying, writeSpec(newJob({ id: retrying, type: "send", maxRetries: 9 })));
  await run("lease", 1, 60_000, "worker", "token", "", "", "send");
  await run("fail", retrying, "token", "no", "", "", "+60000");
  await run("enqueue", 1, "c", 1, `${delayed}|+120000||`, writeSpec(newJob({ id: delayed, type: "send" })));
  return {
    ...{ runner, run, base, retrying, delayed },
    async figures() {
      const [, figures = []] = (await run("show")) as readonly (readonly unknown[])[];
      const texts = figures.map(String);
      return ["ready", "scheduled", "retrying"].map((name) => Number(texts[texts.indexOf(name) + 1]));
    },
    /** What the jobs wait for, as the scripts say it. */
    async states() {
      const [, ...values] = (await run("get", "B", 1_000_000, retrying, delayed)).map(String);
      return [values[5], values[11]];
    },
  };
}

test("a retry that an older server began counts as scheduled, in figures and by itself", async () => {
  const { base, figures, states } = await opened();
  expect([await figures(), await states()]).toEqual([
    [0, 1, 1],
    ["t", "s"],
  ]);
  await admin.del(`${base}retrying`);
  expect([await figures(), await states()]).toEqual([
    [0, 2, 0],
    ["s", "s"],
  ]);
});

test("what an older server took away is never counted twice, and is gone when it would have been due", async () => {
  const { runner, run, base, retrying, delayed, figures, states } = await opened();
  // As an older server does it: the job is ready, and only what that server knows was told.
  const member = (await admin.zrange(`${base}delayed`, "0", "0"))[0] ?? "";
  await admin.zadd(`${base}delayed`, "XX", runner.now, member);
  expect([await figures(), await states()]).toEqual([
    [1, 0, 1],
    ["r", "s"],
  ]);
  expect((await admin.zrange(`${base}retrying`, "0", "-1")).length).toBe(1);
  runner.now += 60_000;
  await run("sweep", 10, "server", 1);
  expect([await figures(), await states()]).toEqual([
    [1, 1, 0],
    ["r", "s"],
  ]);
  runner.now += 60_000;
  await run("sweep", 10, "server", 1);
  expect(await figures()).toEqual([2, 0, 0]);
  expect(await admin.exists(`${base}retrying`)).toBe(0);
  await run("remove", "0", retrying, delayed);
});

test("a queue that is made again begins with none that an older server left behind", async () => {
  const { run, base, figures } = await opened();
  await admin.del(`${base}meta`, `${base}delayed`, `${base}specs`, `${base}states`, `${base}index`);
  await run("create", "", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
  expect(await admin.exists(`${base}retrying`)).toBe(0);
  expect(await figures()).toEqual([0, 0, 0]);
});
