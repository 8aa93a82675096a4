import { expect, onTestFinished, test } from "vitest";
import { createClient, type TaskQueueClient } from "../../src/client/index.js";
import { startServerProcess } from "../support/server-process.js";
import { eventually } from "../support/wait.js";

/** Starts a server whose heap has room for about 50 MB of jobs. */
async function start(env: Readonly<Record<string, string>>) {
  const NODE_OPTIONS = "--max-old-space-size=96";
  const server = await startServerProcess({ LOG_LEVEL: "silent", CHANGE_LOG_SIZE: "10000", NODE_OPTIONS, ...env });
  const client = createClient(server.url, { retryMs: 0 });
  onTestFinished(() => client.close());
  return { server, client };
}

const CALLERS = 4;

/** Creates jobs with this payload, from several callers at once, until each has been refused. Returns how many were created. */
async function flood(client: TaskQueueClient, payload: string, batch: number): Promise<number> {
  let count = 0;
  const call = async () => {
    while (count < 1_000_000) {
      await client.createBatch(Array.from({ length: batch }, () => ({ type: "never", payload })));
      count += batch;
    }
  };
  const errors = await Promise.all(Array.from({ length: CALLERS }, () => call().catch((error) => error)));
  expect(errors.map(({ reason }) => reason)).toEqual(Array(CALLERS).fill("QUEUE_FULL"));
  return count;
}

test.each([
  { length: 5000, batch: 200 },
  { length: 1_000_000, batch: 1 },
])(
  "a flood of jobs of $length bytes is refused before the heap is full, and others are taken at once after a purge",
  async ({ length, batch }) => {
    const { server, client } = await start({ NUM_WORKERS: "0" });
    const payload = "x".repeat(length);
    const first = await flood(client, payload, batch);
    expect(first * length).toBeGreaterThan(20_000_000);
    expect(await client.queues.purge("default")).toBe(first);
    await client.create({ type: "never", payload });
    expect(await flood(client, payload, batch)).toBeGreaterThan(first / 2);
    expect(await server.end()).toBe(0);
  },
);

test("results are kept within the memory: no job is refused for them, and all run", async () => {
  const { server, client } = await start({ NUM_WORKERS: "4" });
  const payload = "x".repeat(1_000_000);
  const count = 150;
  for (let at = 0; at < count; at++) await client.create({ type: "echo", payload });
  const completed = async () => (await client.queues.get("default")).stats.completed === count || undefined;
  await eventually(completed, "the end of all jobs", 60_000);
  const { items: jobs } = await client.list({ pageSize: 1000, view: "BASIC" }).page();
  expect(jobs.length).toBeGreaterThan(10);
  expect(jobs.length).toBeLessThan(40);
  expect(await server.end()).toBe(0);
});
