import { describe, expect, test } from "vitest";
import { rejection } from "../support/async.js";
import { Fixture } from "../support/fixture.js";

const reason = (reason: string) => expect.objectContaining({ reason });
const badFields = (...fields: string[]) =>
  expect.objectContaining({
    reason: "FIELD_INVALID",
    violations: fields.map((field) => expect.objectContaining({ field })),
  });

const DEFAULTS = {
  ...{ ordering: "PRIORITY", weight: 1, maxConcurrency: 0, maxConcurrencyPerKey: 0, rateLimit: null, maxDepth: 0 },
  ...{ completedTtlMs: null, maxCompleted: null, deadTtlMs: null, maxDead: null },
  ...{ defaultMaxRetries: null, defaultBackoff: null, defaultTimeoutMs: null, defaultTtlMs: null },
};

describe("create", () => {
  test("completes a rate: its burst is what comes in 100 ms, at least 1", async () => {
    const { engine } = new Fixture();
    const burstOf = async (name: string, count: number, periodMs: number) => {
      const { settings } = await engine.queues.create(name, { rateLimit: { count, periodMs } });
      expect(settings.rateLimit).toMatchObject({ count, periodMs: Math.ceil(periodMs) });
      return settings.rateLimit?.burst;
    };
    expect(await burstOf("a", 1000, 1000)).toBe(100);
    expect(await burstOf("b", 19, 1000)).toBe(1);
    expect(await burstOf("c", 20, 999.5)).toBe(2);
    expect(await burstOf("d", 1, 86_400_000)).toBe(1);
    const { settings } = await engine.queues.create("e", { rateLimit: { count: 5, periodMs: 1000, burst: 3 } });
    expect(settings.rateLimit).toEqual({ count: 5, periodMs: 1000, burst: 3 });
  });

  test("makes a queue with the settings given and defaults for the rest", async () => {
    const { engine, clock } = new Fixture();
    const queue = await engine.queues.create("mail", { weight: 5, ordering: "RUN_AFTER" });
    expect(queue).toEqual({
      name: "mail",
      settings: { ...DEFAULTS, weight: 5, ordering: "RUN_AFTER" },
      paused: false,
      createdAt: clock.now(),
      stats: {
        ready: 0,
        scheduled: 0,
        retrying: 0,
        limited: 0,
        running: 0,
        dead: 0,
        done: 0,
        oldestReadyAgeMs: undefined,
        completed: 0,
        readyTypes: [],
      },
    });
    expect(await engine.queues.get("mail")).toEqual(queue);
  });

  test("takes a setting that is undefined for one that is not given", async () => {
    const { engine } = new Fixture();
    const queue = await engine.queues.create("mail", { weight: undefined, maxDepth: 3 });
    expect(queue.settings).toEqual({ ...DEFAULTS, maxDepth: 3 });
  });

  test("rounds times up to whole ms, and keeps 0", async () => {
    const { engine } = new Fixture();
    const queue = await engine.queues.create("mail", { completedTtlMs: 0, deadTtlMs: 1000.5 });
    expect(queue.settings).toEqual({ ...DEFAULTS, completedTtlMs: 0, deadTtlMs: 1001 });
  });

  test("completes a backoff that is given in part with the server's", async () => {
    const jobDefaults = { maxRetries: 3, backoff: { baseDelayMs: 10, maxDelayMs: 20 } };
    const { engine } = new Fixture({ jobDefaults });
    const queue = await engine.queues.create("mail", { defaultBackoff: { multiplier: 3 } });
    expect(queue.settings.defaultBackoff).toEqual({ ...jobDefaults.backoff, multiplier: 3 });
    expect((await engine.queues.update("mail", { defaultBackoff: null })).settings.defaultBackoff).toBeNull();
  });

  test("names every bad field", async () => {
    const { engine } = new Fixture();
    expect(await rejection(engine.queues.create("Mail", { weight: 0, maxDepth: -1 }))).toEqual(
      badFields("name", "settings.weight", "settings.maxDepth"),
    );
  });

  test("refuses a name that is taken, the default's too", async () => {
    const { engine } = new Fixture();
    await engine.queues.create("mail");
    expect(await rejection(engine.queues.create("mail"))).toEqual(reason("QUEUE_EXISTS"));
    expect(await rejection(engine.queues.create("default"))).toEqual(reason("QUEUE_EXISTS"));
  });
});

describe("list and get", () => {
  test("list all queues by name", async () => {
    const { engine } = new Fixture();
    for (const name of ["zoo", "a1", "a.b"]) await engine.queues.create(name);
    expect((await engine.queues.list()).map(({ name }) => name)).toEqual(["a.b", "a1", "default", "zoo"]);
  });

  test("count jobs by where they stand", async () => {
    const fixture = new Fixture();
    await fixture.bury([{}]);
    for (let count = 0; count < 3; count++) await fixture.create();
    await fixture.create({ delayMs: 60_000 });
    const [first] = await fixture.lease({ max: 2 });
    await fixture.backend.complete([{ jobId: first?.job.id ?? "", token: first?.token ?? "", result: undefined }]);
    await fixture.clock.advance(500);
    expect((await fixture.engine.queues.get("default")).stats).toEqual({
      ready: 1,
      scheduled: 1,
      retrying: 0,
      limited: 0,
      running: 1,
      dead: 1,
      done: 1,
      oldestReadyAgeMs: 500,
      completed: 1,
      readyTypes: ["work"],
    });
  });
});

describe("update", () => {
  test("changes what is given and leaves the rest", async () => {
    const { engine } = new Fixture();
    await engine.queues.create("mail", { weight: 5, maxDepth: 9 });
    const queue = await engine.queues.update("mail", { weight: 7, maxConcurrency: 2, maxDepth: undefined });
    expect(queue.settings).toEqual({ ...DEFAULTS, weight: 7, maxConcurrency: 2, maxDepth: 9 });
    expect(await engine.queues.get("mail")).toEqual(queue);
  });

  test("names every bad field", async () => {
    const { engine } = new Fixture();
    expect(await rejection(engine.queues.update("?", { weight: 1001, maxConcurrency: 0.5 }))).toEqual(
      badFields("queue.name", "queue.settings.weight", "queue.settings.maxConcurrency"),
    );
  });

  test("refuses another ordering while jobs wait, and only then", async () => {
    const fixture = new Fixture();
    const { queues } = fixture.engine;
    await fixture.create();
    expect(await rejection(queues.update("default", { ordering: "RUN_AFTER" }))).toEqual(reason("QUEUE_NOT_EMPTY"));
    expect((await queues.update("default", { ordering: "PRIORITY", weight: 2 })).settings.weight).toBe(2);
    await queues.purge("default");
    expect((await queues.update("default", { ordering: "RUN_AFTER" })).settings.ordering).toBe("RUN_AFTER");
  });
});

describe("remove", () => {
  test("never removes the default queue", async () => {
    const { engine } = new Fixture();
    expect(await rejection(engine.queues.remove("default", true))).toEqual(badFields("name"));
  });

  test("removes an empty queue", async () => {
    const { engine } = new Fixture();
    await engine.queues.create("mail");
    await engine.queues.remove("mail", false);
    expect((await engine.queues.list()).map(({ name }) => name)).toEqual(["default"]);
  });

  test.each(["waiting", "scheduled", "running", "dead"])(
    "removes a queue with a %s job by force only",
    async (state) => {
      const fixture = new Fixture();
      const { queues } = fixture.engine;
      await queues.create("mail");
      if (state === "dead") await fixture.bury([{ queue: "mail" }]);
      else await fixture.create({ queue: "mail", delayMs: state === "scheduled" ? 60_000 : 0 });
      if (state === "running") await fixture.lease({ queue: "mail" });
      expect(await rejection(queues.remove("mail", false))).toEqual(reason("QUEUE_NOT_EMPTY"));
      await queues.remove("mail", true);
      expect(await rejection(queues.get("mail"))).toEqual(reason("QUEUE_NOT_FOUND"));
      expect((await fixture.engine.jobs.list({})).jobs).toEqual([]);
    },
  );
});

describe("pause, resume and purge", () => {
  test("a paused queue takes jobs and hands out none", async () => {
    const fixture = new Fixture();
    const { queues } = fixture.engine;
    expect(await queues.pause("default")).toMatchObject({ paused: true });
    await fixture.create();
    expect(await fixture.lease()).toEqual([]);
    expect(await queues.pause("default")).toMatchObject({ paused: true, stats: { ready: 1 } });
    expect(await queues.resume("default")).toMatchObject({ paused: false });
    expect(await fixture.lease()).toHaveLength(1);
  });

  test("a purge drops every waiting job, scheduled ones too, and no other", async () => {
    const fixture = new Fixture();
    const [dead = ""] = await fixture.bury([{}]);
    const taken = await fixture.create();
    await fixture.lease();
    for (const delayMs of [0, 0, 5000]) await fixture.create({ delayMs });
    expect(await fixture.engine.queues.purge("default")).toBe(3);
    const { jobs } = await fixture.engine.jobs.list({});
    expect(jobs.map(({ id, status }) => [id, status])).toEqual([
      [taken, "RUNNING"],
      [dead, "DEAD"],
    ]);
    expect(await fixture.engine.queues.purge("default")).toBe(0);
  });
});

test("every operation on one queue refuses a bad name and an unknown one", async () => {
  const { queues } = new Fixture().engine;
  const calls: readonly ((name: string) => Promise<unknown>)[] = [
    queues.get,
    queues.pause,
    queues.resume,
    queues.purge,
    (name) => queues.remove(name, false),
  ];
  for (const call of calls) {
    expect(await rejection(call("No Name"))).toEqual(badFields("name"));
    expect(await rejection(call("none"))).toEqual(reason("QUEUE_NOT_FOUND"));
  }
  expect(await rejection(queues.update("none", {}))).toEqual(reason("QUEUE_NOT_FOUND"));
});
