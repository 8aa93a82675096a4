import type { Redis } from "ioredis";
import { beforeEach, describe, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { Connection } from "../../../src/backends/redis/link/connection.js";
import { checkFeatures } from "../../../src/backends/redis/queues/feature-check.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import type { Backend } from "../../../src/core/backend.js";
import { createSystemClock } from "../../../src/core/clock.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { recordingLogger } from "../../support/logger.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { addOne, createQueue, leaseOne, only, ref } from "../contract/support.js";
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

describe("what a later version has added survives", () => {
  test("in the meta of a queue, whatever is done to it", async () => {
    const { run, base } = createRunner(admin, at.prefix, "mail");
    await run("create", "", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
    await admin.hset(`${base}meta`, "later", "kept");
    await run("update", "", ...writeSettings({ weight: 5, ordering: "RUN_AFTER" }));
    await run("pause", 1);
    await run("sweep", 10, "server", 1);
    expect(await admin.hmget(`${base}meta`, "later", "weight", "ordering")).toEqual(["kept", "5", "RUN_AFTER"]);
  });

  test("in a job, through every step of its life", async () => {
    const runner = createRunner(admin, at.prefix, "mail");
    const { run, base } = runner;
    const later = { text: "ü", number: 12_345_678_901_234, yes: true, list: [1, { a: null }] };
    const id = "119173640645246976";
    await run("create", "", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
    await run("enqueue", 1, "c", 1, id, writeSpec(newJob({ id, type: "send", maxRetries: 9 })));
    const lease = (token: string, ms = 60_000) => run("lease", 1, ms, "worker", token, "", "", "send");
    await lease("first");
    const [head, tail = ""] = String(await admin.hget(`${base}states`, id)).split("\n");
    await admin.hset(`${base}states`, id, `${head}\n${JSON.stringify({ ...JSON.parse(tail), later })}`);
    const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["progress", () => run("extend", id, "first", "", 50, "half")],
      ["a failure", () => run("fail", id, "first", "no", "", "", "+0")],
      ["a lease", () => lease("second")],
      ["a release", () => run("release", id, "second")],
      ["a lease that runs out", () => lease("third", 1)],
      [
        "a sweep",
        () => {
          runner.now += 10;
          return run("sweep", 10, "server", 1);
        },
      ],
      ["another lease", () => lease("fourth")],
      ["a burial", () => run("fail", id, "fourth", "no", "", "", "n")],
      ["a replay", () => run("replay", id)],
      ["the last lease", () => lease("fifth")],
      ["the request of a cancel", () => run("cancel", id)],
      ["a completion", () => run("complete", id, "fifth", "j1")],
    ];
    let revision = 2;
    for (const [what, step] of steps) {
      await step();
      const [numbers = "", text = ""] = String(await admin.hget(`${base}states`, id)).split("\n");
      expect(JSON.parse(text), what).toMatchObject({ type: "send", later });
      const after = Number(numbers.slice(18, 27));
      expect(after, what).toBeGreaterThan(revision);
      revision = after;
    }
  });
});

describe("a queue that requires a feature which this server does not know", () => {
  let logger: ReturnType<typeof recordingLogger>;
  let backend: Backend;

  /** Makes it require the feature, as a newer server would have. */
  const requires = (queue: string, features: string) =>
    admin.hset(`${at.prefix}:{${queue}}:meta`, "requires", features);

  beforeEach(async () => {
    logger = recordingLogger();
    ({ backend } = await openBackend(at, { logger, features: ["known"] }));
    await createQueue(backend, "mail");
  });

  const refused = {
    reason: "UPGRADE_REQUIRED",
    code: "FAILED_PRECONDITION",
    metadata: { queue: "mail", feature: "new" },
  };

  test("is refused in each call, with its name and that of the feature", async () => {
    const id = await addOne(backend, { queue: "mail" });
    const held = ref(await leaseOne(backend, { queues: ["mail"] }));
    await requires("mail", "known,new");
    const page = { queue: "mail", limit: 1, statuses: [] };
    const calls: readonly (() => Promise<unknown>)[] = [
      () => backend.enqueue([newJob({ queue: "mail" })]),
      () => backend.complete([{ ...held, result: undefined }]),
      () => backend.fail([{ ...held, error: "", retry: "DEFAULT", jitter: 0 }]),
      () => backend.release([held]),
      () => backend.extend([{ ...held, leaseMs: 1 }]),
      () => backend.cancel(id),
      () => backend.get([id]),
      () => backend.list(page),
      () => backend.listKeys(page),
      () => backend.listDead({ ...page, order: "NEWEST" }),
      () => backend.listDeadKeys({ ...page, order: "OLDEST" }),
      () => backend.queues(["mail"]),
      () => backend.updateQueue("mail", { weight: 2 }),
      () => backend.setPaused("mail", true),
      () => backend.purge("mail"),
      () => backend.deleteQueue("mail", true),
      () => backend.createQueue("mail", DEFAULT_QUEUE_SETTINGS),
    ];
    for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(refused);
    await requires("mail", "known");
    expect(only(await backend.complete([{ ...held, result: undefined }])).outcome).toBe("APPLIED");
  });

  test("is left alone by workers and sweeps, which serve the others; the log has one line", async () => {
    await addOne(backend, { queue: "mail" });
    await requires("mail", "new");
    const id = await addOne(backend, {});
    const request = { queues: ["mail", "default"], types: ["echo"], max: 1, leaseMs: 60_000, worker: "w" };
    for (let turn = 0; turn < 5; turn++) {
      await backend.tick();
      await backend.lease({ ...request, queues: ["mail"] });
      await expect(backend.queues(["mail"])).rejects.toMatchObject(refused);
    }
    expect(only(await backend.lease(request)).job.id).toBe(id);
    expect((await backend.queues()).map(({ name }) => name)).toEqual(["default"]);
    const { nextInMs } = await backend.tick();
    expect(nextInMs, "the sweep comes again at once").toBeGreaterThan(0);
    const lines = logger.lines.filter(({ fields }) => fields.queue === "mail").map(({ message }) => message);
    expect(lines).toEqual([expect.stringMatching(/^queue "mail" needs the feature "new".*left alone$/)]);
  });

  test("does not keep the server from its start, even the default one", async () => {
    await requires("default", "new");
    await addOne(backend, { queue: "mail" });
    const { backend: late } = await openBackend(at);
    expect((await leaseOne(late, { queues: ["default", "mail"] })).job.queue).toBe("mail");
    expect(await late.now()).toBeGreaterThan(0);
  });
});

describe("a feature is switched on", () => {
  test("once every live server knows it: those that do not are named", async () => {
    const connection = new Connection(admin, createSystemClock(), silentLogger);
    const check = (feature: string) => checkFeatures(connection, createKeys(at.prefix), "mail", [feature]);
    await openBackend(at, { features: ["old", "new"] });
    const { backend: second } = await openBackend(at, { features: ["old"] });
    await check("old");
    await expect(check("new")).rejects.toMatchObject({
      reason: "UPGRADE_REQUIRED",
      message: expect.stringMatching(/"mail" needs the feature "new", .* node ids 1 first/),
    });
    await second.stop();
    await check("new");
  });

  test("for a queue with the setting that needs it: servers that know it go on, and none is forgotten", async () => {
    const { run, base } = createRunner(admin, at.prefix, "mail", ["a", "b", "c"]);
    await run("create", "a", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
    await run("update", "b,a", ...writeSettings({ weight: 2 }));
    await run("update", "", ...writeSettings({ weight: 1 }));
    expect(await admin.hget(`${base}meta`, "requires")).toBe("a,b");
    const older = createRunner(admin, at.prefix, "mail", ["a", "c"]);
    await expect(older.run("show")).rejects.toThrow(/^UPGRADE_REQUIRED b/);
  });
});
