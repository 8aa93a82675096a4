import type { Redis } from "ioredis";
import { beforeAll, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { newJob } from "../../support/job.js";
import { startRedis } from "../../support/redis.js";
import { createRunner, type ScriptRunner } from "./support/scripts.js";

// What servers of a version that does not count the bytes of finished jobs leave behind.

let client: Redis;
let prefixes = 0;

beforeAll(async () => {
  client = (await startRedis()).client();
});

async function open() {
  const runner = createRunner(client, `count-${prefixes++}`, "mail");
  await runner.run("create", "", ...writeSettings({ ordering: "PRIORITY", weight: 1, maxConcurrency: 0, maxDepth: 0 }));
  let last = 0;
  /** Completes a job of about 1000 bytes, a second later. */
  const complete = async () => {
    const id = String(++last);
    runner.now += 1000;
    await runner.run("enqueue", 1, "c", 1, id, writeSpec(newJob({ id, type: "easy", payload: "1".repeat(800) })));
    await runner.run("lease", 1, 30_000, "worker", `token-${id}`, "", "", "easy");
    await runner.run("complete", id, `token-${id}`, "");
  };
  const meta = (field: string) => client.hget(`${runner.base}meta`, field).then(Number);
  return { runner, complete, meta };
}

/** Does what TRIM of such a server does: it takes the first job off the list, and off the number of jobs. */
async function trimUncounted({ base }: ScriptRunner): Promise<void> {
  const entry = (await client.lpop(`${base}finished`)) ?? "";
  const [id = ""] = entry.slice("D".length + 13 + 12).split(":");
  await client.hincrby(`${base}meta`, "done", -1);
  await client.hdel(`${base}specs`, id);
  await client.hdel(`${base}states`, id);
}

test("jobs that were deleted without being taken off the count are off it once all that finished before are gone", async () => {
  const { runner, complete, meta } = await open();
  await complete();
  const one = await meta("completed_bytes");
  expect(one).toBeGreaterThan(900);
  expect(one).toBeLessThan(1100);
  await complete();
  await complete();
  await trimUncounted(runner);
  expect(await meta("completed_bytes")).toBe(one * 3);
  // COMPLETE_JOB_TTL of the scripts is a minute.
  for (let turn = 0; turn < 130; turn++) await complete();
  const kept = await client.llen(`${runner.base}finished`);
  expect(kept).toBeGreaterThan(50);
  expect(await meta("completed_bytes")).toBe(one * kept);
});

test("jobs that finished without being counted are not taken off the count, and go for others as the oldest", async () => {
  const { runner, complete, meta } = await open();
  await complete();
  const one = await meta("completed_bytes");
  await complete();
  // As such a server writes it, and counts.
  const entry = (await client.lpop(`${runner.base}finished`)) ?? "";
  await client.lpush(`${runner.base}finished`, `D${entry.slice(1)}`);
  await client.hset(`${runner.base}meta`, "completed_bytes", one);
  expect(await runner.run("trim", one, 100)).toMatchObject([one, expect.anything()]);
  expect(await meta("done")).toBe(2);
  expect(await runner.run("trim", one - 1, 100)).toEqual([0, Buffer.alloc(0)]);
  expect(await meta("done")).toBe(0);
});

test("a count is 0 once such a server has deleted all that finished", async () => {
  const { runner, complete, meta } = await open();
  await complete();
  await complete();
  const two = await meta("completed_bytes");
  await trimUncounted(runner);
  await trimUncounted(runner);
  expect(await client.llen(`${runner.base}finished`)).toBe(0);
  expect(await meta("completed_bytes")).toBe(two);
  expect(await runner.run("trim", 0, 100)).toEqual([0, Buffer.alloc(0)]);
  expect(await meta("completed_bytes")).toBe(0);
  await complete();
  expect(await meta("completed_bytes")).toBe(two / 2);
});
