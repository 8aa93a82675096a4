import { beforeAll, describe, expect, test } from "vitest";
import type { RedisBackend } from "../../../src/backends/redis/redis-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import type { Schedule } from "../../../src/model/request/schedule.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { firing, newSchedule } from "../../support/schedule.js";
import { eventually } from "../../support/wait.js";
import { createQueue, expectRefused, only, statsOf } from "../contract/support.js";
import { commandCounts, newPrefix, type OpenOptions, openBackend, openEngine } from "./support/open.js";
import { startProxy } from "./support/proxy.js";

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis({ port: true });
});

const place = (): OpenOptions => ({ url: redis.url, prefix: newPrefix() });

/** Three servers on one Redis. */
async function threeServers(): Promise<readonly [RedisBackend, RedisBackend, RedisBackend]> {
  const at = place();
  const open = async () => (await openBackend(at)).backend;
  return [await open(), await open(), await open()];
}

/** A schedule that is due in `inMs`. */
async function schedule(backend: RedisBackend, inMs = 0, name = "nightly"): Promise<Schedule> {
  const now = await backend.now();
  return backend.createSchedule(newSchedule(now, { name, nextRunAt: now + inMs }));
}

/** Ticks until a server tells schedules as due. */
function due(backend: RedisBackend) {
  return eventually(async () => {
    const { schedules } = await backend.tick();
    return schedules.length > 0 ? schedules : undefined;
  }, "a schedule that is due");
}

describe("several servers that share schedules", () => {
  test("fire a time that all of them know to be due: it makes one job", async () => {
    const servers = await threeServers();
    const [first] = servers;
    for (let turn = 0; turn < 10; turn++) {
      const created = await schedule(first, 0, `s${turn}`);
      const results = await Promise.all(servers.map((server) => server.fireSchedule(firing(created))));
      expect(results.map(({ outcome }) => outcome).toSorted()).toEqual(["FIRED", "STALE", "STALE"]);
      for (const server of servers)
        expect(await server.getSchedule("default", created.name)).toMatchObject({ runs: 1 });
    }
    expect(await statsOf(first)).toMatchObject({ ready: 10 });
  });

  test("tell it as due to one of them", async () => {
    const servers = await threeServers();
    const created = await schedule(servers[1]);
    const told = await Promise.all(servers.map(async (server) => (await server.tick()).schedules));
    expect(only(told.flat()).schedule).toEqual(created);
  });

  test("tell it to another when the one that was told ends before it has done anything", async () => {
    const [first, second] = await threeServers();
    const created = await schedule(first);
    expect(only(await due(first)).schedule).toEqual(created);
    await first.stop();
    const { schedule: told, now } = only(await due(second));
    expect(told).toEqual(created);
    expect(now - (created.nextRunAt ?? 0)).toBeGreaterThanOrEqual(1000);
    await second.fireSchedule(firing(told));
    expect(await statsOf(second)).toMatchObject({ ready: 1 });
  });

  test("and one deletes it while others fire it: no job is made after that, and it does not come back", async () => {
    const [first, second, third] = await threeServers();
    for (let turn = 0; turn < 10; turn++) {
      const created = await schedule(first, 60_000, `s${turn}`);
      const ready = (await statsOf(first)).ready;
      const [one, two] = await Promise.all([
        second.fireSchedule(firing(created)),
        third.fireSchedule(firing(created)),
        first.deleteSchedule("default", created.name),
      ]);
      const fired = [one, two].filter(({ outcome }) => outcome === "FIRED").length;
      expect(fired).toBeLessThanOrEqual(1);
      expect((await statsOf(first)).ready - ready).toBe(fired);
    }
    expect(await first.listSchedules({ queue: "default", limit: 100 })).toEqual({ schedules: [], next: undefined });
  });

  test("and one changes it while another fires it: the time makes its job, and the change is made or asked for anew", async () => {
    const [first, second] = await threeServers();
    for (let turn = 0; turn < 10; turn++) {
      const created = await schedule(first, 60_000, `s${turn}`);
      const { spec } = newSchedule(created.createdAt, { name: created.name });
      const [fired, changed] = await Promise.all([
        second.fireSchedule(firing(created)),
        first.updateSchedule({ spec, paused: true, nextRunAt: undefined, was: created }),
      ]);
      expect([fired.outcome, changed?.paused]).toEqual(
        fired.outcome === "FIRED" ? ["FIRED", undefined] : ["STALE", true],
      );
    }
  });
});

test("a time takes Redis the same, however many other schedules there are", async () => {
  const { backend } = await openBackend(place());
  const client = redis.client();
  /** How often each command runs while one is told as due and fired. */
  async function cost(name: string): Promise<Record<string, number>> {
    await schedule(backend, 0, name);
    await client.config("RESETSTAT");
    const told = only(await due(backend));
    await backend.fireSchedule(firing(told.schedule, { nextRunAt: told.now + 3_600_000 }));
    const counts = await commandCounts(client);
    const names = ["zrangebyscore", "zrange", "zadd", "hget", "hset", "hmget", "publish", "xadd"];
    return Object.fromEntries(names.map((each) => [each, counts.get(each) ?? 0]));
  }
  /** The least of several: the server does other things now and then, too. */
  async function least(name: string): Promise<Record<string, number>> {
    const costs = [await cost(`${name}1`), await cost(`${name}2`), await cost(`${name}3`)];
    const names = Object.keys(costs[0] ?? {});
    return Object.fromEntries(names.map((each) => [each, Math.min(...costs.map((counts) => counts[each] ?? 0))]));
  }
  const alone = await least("before");
  for (let from = 0; from < 1000; from += 100) {
    const names = Array.from({ length: 100 }, (_, at) => `other${from + at}`);
    await Promise.all(names.map((name) => schedule(backend, 3_600_000, name)));
  }
  expect(await least("after")).toEqual(alone);
  expect(alone.hset).toBeGreaterThan(0);
});

describe("what Redis did to a schedule before the connection broke is done once:", () => {
  /** A server whose next answer can be lost, and another that sees it all; Redis has all scripts already. */
  async function servers() {
    const at = place();
    const proxy = await startProxy(redis.port ?? 0);
    const { backend: witness } = await openBackend(at);
    const loaded = await schedule(witness, 60_000, "load");
    await witness.fireSchedule(firing(loaded));
    const spec = newSchedule(0, { name: "load" }).spec;
    const was = await witness.getSchedule("default", "load");
    await witness.updateSchedule({ spec, paused: true, nextRunAt: undefined, was });
    await witness.deleteSchedule("default", "load");
    await witness.purge("default");
    const { backend } = await openBackend({ ...at, url: `redis://127.0.0.1:${proxy.port}` });
    return { proxy, backend, witness };
  }

  test("a creation", async () => {
    const { proxy, backend, witness } = await servers();
    void proxy.loseNextAnswer();
    const created = await schedule(backend, 60_000);
    expect(await witness.getSchedule("default", "nightly")).toEqual(created);
  });

  test("a firing, also when another server has fired the next time before it is repeated", async () => {
    const { proxy, backend, witness } = await servers();
    const created = await schedule(witness, 60_000);
    const first = firing(created);
    const fired = backend.fireSchedule(first);
    await proxy.loseNextAnswer(async () => {
      await witness.fireSchedule(firing(await witness.getSchedule("default", "nightly")));
    });
    expect(await fired).toMatchObject({ outcome: "FIRED", results: [{ id: first.jobs[0]?.id }] });
    expect(await witness.getSchedule("default", "nightly")).toMatchObject({ runs: 2 });
    expect(await statsOf(witness)).toMatchObject({ ready: 2 });
  });

  test("a change", async () => {
    const { proxy, backend, witness } = await servers();
    const created = await schedule(witness, 60_000);
    const { spec } = newSchedule(created.createdAt, { cron: "@daily" });
    void proxy.loseNextAnswer();
    const changed = await backend.updateSchedule({ spec, paused: false, nextRunAt: 4711, was: created });
    expect(changed).toMatchObject({ cron: "@daily", revision: 2, nextRunAt: 4711 });
    expect(await witness.getSchedule("default", "nightly")).toEqual(changed);
  });

  test("a deletion", async () => {
    const { proxy, backend, witness } = await servers();
    await schedule(witness, 60_000);
    void proxy.loseNextAnswer();
    await backend.deleteSchedule("default", "nightly");
    await expectRefused(witness.getSchedule("default", "nightly"), "SCHEDULE_NOT_FOUND");
  });
});

describe("the first schedule of a queue", () => {
  test("has it need servers that know of schedules, and is refused while one that does not is alive", async () => {
    const at = place();
    const { backend } = await openBackend(at);
    const { backend: older } = await openBackend(at, { features: [] });
    const refused = { reason: "UPGRADE_REQUIRED", metadata: { queue: "default", feature: "schedules" } };
    await expect(schedule(backend, 60_000)).rejects.toMatchObject(refused);
    await older.enqueue([newJob()]);
    await older.stop();
    await schedule(backend, 60_000);
    await createQueue(backend, "mail");
    const { backend: another } = await openBackend(at, { features: [] });
    await expectRefused(another.enqueue([newJob()]), "UPGRADE_REQUIRED");
    await another.enqueue([newJob({ queue: "mail" })]);
  });
});

describe("servers that fire schedules by themselves", () => {
  /** Engines on one Redis, which run no jobs. */
  async function engines(count: number) {
    const at = place();
    const open = () => openEngine(at, { numWorkers: 0 });
    return Promise.all(Array.from({ length: count }, open));
  }

  /** The times for which jobs were made, by schedule. */
  async function madeFor(backend: Backend): Promise<Map<string, number[]>> {
    const { jobs } = await backend.list({ queue: "default", limit: 1000, order: "OLDEST" });
    const made = new Map<string, number[]>();
    for (const { schedule: name = "", scheduledFor = 0 } of jobs)
      made.set(name, [...(made.get(name) ?? []), scheduledFor]);
    return made;
  }

  test("make one job for each time, also when the one that fires them ends", async () => {
    const [first, second, third] = await engines(3);
    if (first === undefined || second === undefined || third === undefined) throw new Error("there are three");
    const now = await first.backend.now();
    const names = Array.from({ length: 20 }, (_, at) => `s${at}`);
    await Promise.all(
      names.map((name, at) => {
        const given = {
          name,
          everyMs: 1000,
          startsAt: now + 200 + at * 20,
          nextRunAt: now + 200 + at * 20,
          maxRuns: 3,
        };
        return first.backend.createSchedule(newSchedule(now, given));
      }),
    );
    const runs = async () => {
      const { schedules } = await third.backend.listSchedules({ queue: "default", limit: 100 });
      return schedules.reduce((sum, each) => sum + each.runs, 0);
    };
    await eventually(async () => ((await runs()) >= 20 ? true : undefined), "the first run of each", 5000);
    // As if it had been killed: what it was told and has not done is left to the others.
    await first.backend.stop();
    await eventually(async () => ((await runs()) >= 40 ? true : undefined), "the second run of each", 10_000);
    await second.backend.stop();
    await eventually(async () => ((await runs()) >= 60 ? true : undefined), "the last run of each", 10_000);
    const made = await madeFor(third.backend);
    for (const [at, name] of names.entries()) {
      const start = now + 200 + at * 20;
      expect(made.get(name)?.toSorted(), name).toEqual([start, start + 1000, start + 2000]);
    }
  });

  test("make none twice, and lose none, while Redis is away at their time", async () => {
    const at = place();
    const proxy = await startProxy(redis.port ?? 0);
    const { backend: witness } = await openBackend(at);
    const alone = await openEngine({ ...at, url: `redis://127.0.0.1:${proxy.port}` }, { numWorkers: 0 });
    const now = await witness.now();
    await alone.backend.createSchedule(newSchedule(now, { everyMs: 1000, startsAt: now + 500, nextRunAt: now + 500 }));
    const speak = proxy.hush();
    await eventually(async () => ((await witness.now()) > now + 600 ? true : undefined), "its time", 3000);
    speak();
    await eventually(
      async () => ((await madeFor(witness)).get("nightly")?.length ?? 0) >= 3 || undefined,
      "its jobs",
      15_000,
    );
    const times = (await madeFor(witness)).get("nightly") ?? [];
    expect(times.toSorted()).toEqual(times.map((_, index) => now + 500 + index * 1000));
  });
});
