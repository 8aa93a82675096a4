import type { Redis } from "ioredis";
import { beforeEach, describe, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { add, addOne, createQueue, leasedIds, statuses } from "../contract/support.js";
import { newPrefix, type OpenOptions, openBackend } from "./support/open.js";
import { createRunner } from "./support/scripts.js";

let redis: RedisServer;
let admin: Redis;
let at: OpenOptions;

beforeEach(async () => {
  redis ??= await startRedis();
  admin ??= redis.client();
  at = { url: redis.url, prefix: newPrefix() };
});

const requires = (queue: string) => admin.hget(`${at.prefix}:{${queue}}:meta`, "requires");

describe("the first job that expires", () => {
  test("has its queue need servers that know of that, for good; others are refused there only", async () => {
    const { backend } = await openBackend(at);
    await createQueue(backend, "mail");
    await addOne(backend, { queue: "mail" });
    expect(await requires("mail")).toBeNull();
    const [id = ""] = await add(backend, { queue: "mail", ttlMs: 60_000 }, { queue: "mail", ttlMs: 60_000 });
    await addOne(backend, { queue: "mail", expiresAt: (await backend.now()) + 60_000 });
    expect(await requires("mail")).toBe("expiry");
    expect(await requires("default")).toBeNull();
    const { backend: older } = await openBackend(at, { features: [] });
    await expect(older.get([id])).rejects.toMatchObject({ reason: "UPGRADE_REQUIRED" });
    await addOne(older, {});
    expect(await leasedIds(backend, { queues: ["mail"] })).toHaveLength(4);
  });

  test("is refused while a live server does not know of that, and nothing of its batch is created", async () => {
    const { backend } = await openBackend(at);
    await createQueue(backend, "mail");
    const { backend: older } = await openBackend(at, { features: [] });
    const refused = { reason: "UPGRADE_REQUIRED", metadata: { queue: "mail", feature: "expiry" } };
    await expect(addOne(backend, { queue: "mail", ttlMs: 60_000 })).rejects.toMatchObject(refused);
    await expect(add(backend, {}, { queue: "mail", ttlMs: 60_000 })).rejects.toMatchObject(refused);
    expect(await requires("mail")).toBeNull();
    expect(await leasedIds(backend, { queues: ["mail", "default"] })).toEqual([]);
    await older.stop();
    const ids = await add(backend, { ttlMs: 60_000 }, { queue: "mail", ttlMs: 60_000 });
    expect(await statuses(backend, ids)).toEqual(["PENDING", "PENDING"]);
    expect([await requires("mail"), await requires("default")]).toEqual(["expiry", "expiry"]);
  });
});

describe("a lease that reached nobody", () => {
  test.each([
    ["a ttl", (_now: number) => [{ ttlMs: 5000 }, "|+0,+5000||"] as const],
    ["a time", (now: number) => [{ expiresAt: now + 5000 }, `|+0,=${now + 5000}||`] as const],
  ])("is given back as if it had never been: the job expires after %s as before", async (_name, make) => {
    const runner = createRunner(admin, at.prefix, "mail", FEATURES);
    const { run, base } = runner;
    const id = "119173640645246976";
    await run("create", "", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
    const [given, when] = make(runner.now);
    await run("enqueue", 1, "cxs", 1, id + when, writeSpec(newJob({ id, type: "send", ...given })));
    runner.memo = "server.0 1 0";
    await run("lease", 1, 60_000, "worker", "token", "", "", "send");
    expect(await admin.exists(`${base}expiring`, `${base}expiring_after`)).toBe(0);
    runner.memo = "server.0 1 1";
    expect(await run("giveBack", "token")).toEqual([1]);
    runner.memo = "";
    runner.now += 5000;
    const swept = await run("sweep", 10, "server", 1);
    expect(swept.slice(5).map(String)).toEqual(["5", "send", id, "0", ""]);
    expect(await admin.exists(`${base}expiring`, `${base}expiring_after`, `${base}ready:send`)).toBe(0);
  });
});
