import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { showJob, showQueue } from "../../../src/backends/redis/tools/show.js";
import { startRedis } from "../../support/redis.js";
import { addDead, addOne, createQueue, lease } from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";

/** Runs a tool as its npm script does. */
function run(tool: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const file = fileURLToPath(new URL(`../../../src/backends/redis/tools/${tool}.ts`, import.meta.url));
  return promisify(execFile)(process.execPath, ["--import", "tsx", file, ...args], {
    env: { ...process.env, ...env },
  });
}

async function opened() {
  const { url, client } = await startRedis();
  const prefix = newPrefix();
  const { backend } = await openBackend({ url, prefix });
  await createQueue(backend, "mail", { weight: 4 });
  return { backend, url, prefix, client: client() };
}

test("a job is shown as it lies in Redis, with the lines it stands in", async () => {
  const { backend, client, prefix } = await opened();
  const show = (id: string) => showJob(client, prefix, "mail", id);
  const number = (id: string) => id.replace(/@.*/, "");
  const waiting = number(await addOne(backend, { queue: "mail", type: "wait", metadata: { a: "b" }, payload: "[1]" }));
  const later = number(
    await addOne(backend, { queue: "mail", type: "wait", delayMs: 60_000, requestId: "r", priority: 3 }),
  );
  const timed = number(await addOne(backend, { queue: "mail", type: "wait", runAfter: Date.now() + 60_000 }));
  const dead = number(await addDead(backend, { queue: "mail" }, "it broke"));
  expect(await show(waiting)).toMatchObject({
    specs: { type: "wait", payload: "[1]", payload_kind: "text", extras: { metadata: { a: "b" } } },
    lines: { index: "0", "ready:wait": expect.any(String) },
  });
  expect(await show(later)).toMatchObject({ lines: { delayed: expect.any(String) }, request_id: "r" });
  expect(await show(timed)).toMatchObject({ lines: { scheduled: expect.any(String) } });
  expect(await show(dead)).toMatchObject({
    states: { status: "DEAD", settled_by: "fail", finished_at: expect.stringMatching(/^20..-.*Z$/) },
    errors: { error: "it broke" },
    lines: { dead: expect.any(String) },
  });
  await lease(backend, { queues: ["mail"], types: ["wait"], max: 1 });
  expect(await show(waiting)).toMatchObject({
    states: { status: "RUNNING", tail: { worker: "worker-1" } },
    lines: { leases: expect.any(String) },
  });
  expect(await show("1")).toBeUndefined();
});

test("a queue is shown with its meta and what its keys begin with", async () => {
  const { backend, client, prefix, url } = await opened();
  const id = await addOne(backend, { queue: "mail", type: "wait" });
  expect(await showQueue(client, prefix, "mail")).toMatchObject({
    meta: { ordering: "PRIORITY", weight: "4", created_at: expect.stringMatching(/Z$/) },
    keys: {
      specs: { size: 1, first: [[id.replace(/@.*/, ""), { type: "wait" }]] },
      "ready:wait": { size: 1 },
      log: { size: 1, first: [[expect.any(String), { queue: "mail", records: [{ kind: "created" }] }]] },
    },
  });
  expect(await showQueue(client, prefix, "none")).toBeUndefined();
  const { stdout } = await run("show", [url, "mail"], { REDIS_PREFIX: prefix });
  expect(JSON.parse(stdout)).toMatchObject({ meta: { weight: "4" } });
  const refused = run("show", [url, "none"], { REDIS_PREFIX: prefix });
  await expect(refused).rejects.toMatchObject({ code: 1, stderr: "there is no queue none\n" });
});

test("each script is named by its SHA", async () => {
  const { backend, client } = await opened();
  await addOne(backend, { queue: "mail" });
  const { stdout } = await run("scripts", []);
  const names = new Map(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ").reverse() as [string, string]),
  );
  expect(await client.script("EXISTS", names.get("enqueue") ?? "", names.get("show") ?? "")).toEqual([1, 1]);
  expect(names.size).toBeGreaterThan(10);
});
