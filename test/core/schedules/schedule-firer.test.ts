import { describe, expect, test } from "vitest";
import { type Observer, silentObserver } from "../../../src/core/observer.js";
import type { Job } from "../../../src/model/job/job.js";
import type { Logger } from "../../../src/model/log/logger.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { settle } from "../../support/fake-clock.js";
import { newSchedule } from "../../support/schedule.js";
import { type Fixture, type FixtureOptions, started } from "../support/fixture.js";

const MINUTE = 60_000;

/** An engine that runs no jobs, with a schedule that makes one each minute. */
async function scheduled(given: Parameters<typeof newSchedule>[1] = {}, options: FixtureOptions = {}) {
  const fixture = await started({ numWorkers: 0, ...options });
  await fixture.backend.createSchedule(newSchedule(fixture.clock.now(), given));
  return fixture;
}

async function jobsOf({ backend }: Fixture, queue = "default"): Promise<readonly Job[]> {
  return (await backend.list({ queue, limit: 1000, order: "OLDEST" })).jobs;
}

/** When the jobs were to be made, in seconds since the start of the schedule. */
async function madeFor(fixture: Fixture, queue = "default"): Promise<number[]> {
  const { createdAt } = await fixture.backend.getSchedule(queue, "nightly");
  return (await jobsOf(fixture, queue)).map(({ scheduledFor = 0 }) => (scheduledFor - createdAt) / 1000);
}

/** Lets time pass, and what follows happen. */
async function pass(fixture: Fixture, ms: number): Promise<void> {
  await fixture.clock.advance(ms);
  for (let turn = 0; turn < 5; turn++) await settle();
}

describe("a server fires schedules", () => {
  test("at their time, each time once, with one timer for all that it does", async () => {
    const counted: string[] = [];
    const observer: Observer = {
      ...silentObserver,
      enqueued: (queue, type, count) => counted.push(`${queue} ${type} ${count}`),
      scheduleFired: (queue, type, count) => counted.push(`fired ${queue} ${type} ${count}`),
    };
    const fixture = await scheduled({}, { observer });
    await pass(fixture, MINUTE - 1);
    expect(await jobsOf(fixture)).toEqual([]);
    const timers = fixture.clock.timers;
    await pass(fixture, 1);
    expect(await jobsOf(fixture)).toMatchObject([
      { type: "echo", payload: '{"n":1}', status: "PENDING", schedule: "nightly", maxRetries: 5, priority: 0 },
    ]);
    expect(fixture.clock.timers).toBe(timers);
    for (let minute = 0; minute < 3; minute++) await pass(fixture, MINUTE);
    expect(await madeFor(fixture)).toEqual([60, 120, 180, 240]);
    const each = ["default echo 1", "fired default echo 1"];
    expect(counted).toEqual(Array(4).fill(each).flat());
    expect(await fixture.backend.getSchedule("default", "nightly")).toMatchObject({ runs: 4 });
  });

  test("and tells which made no job, and why", async () => {
    const skipped: string[] = [];
    const observer = {
      ...silentObserver,
      scheduleSkipped: (...args: string[]) => skipped.push(args.join(" ")),
    };
    const fixture = await scheduled({ overlap: "SKIP", misfire: "SKIP" }, { observer });
    for (let minute = 0; minute < 3; minute++) await pass(fixture, MINUTE);
    expect(skipped).toEqual(["default echo OVERLAP", "default echo OVERLAP"]);
    fixture.faults.fail("fireSchedule");
    await pass(fixture, 5 * MINUTE);
    fixture.faults.clear("fireSchedule");
    await fixture.backend.cancel((await jobsOf(fixture))[0]?.id ?? "");
    await pass(fixture, 30_000);
    expect(skipped.slice(2)).toEqual(["default echo MISFIRE"]);
  });

  test("and lets a job wait up to the jitter after its time", async () => {
    const fixture = await scheduled({ jitterMs: 10_000 }, {});
    await pass(fixture, MINUTE);
    const [job] = await jobsOf(fixture);
    // The random number of a fixture is 0.
    expect(job).toMatchObject({ runAfter: job?.scheduledFor });
  });

  test("again when the store was away, once it is back", async () => {
    const fixture = await scheduled();
    fixture.faults.fail("fireSchedule");
    await pass(fixture, MINUTE);
    await pass(fixture, 5000);
    expect(await jobsOf(fixture)).toEqual([]);
    // Once a second.
    expect(fixture.faults.calls("fireSchedule")).toBe(6);
    fixture.faults.clear("fireSchedule");
    await pass(fixture, 1000);
    expect(await madeFor(fixture)).toEqual([60]);
  });

  test("once, though the store did it and its answer was lost", async () => {
    const fixture = await scheduled();
    fixture.faults.set("fireSchedule", async (run) => {
      await run();
      throw new Error("the answer was lost");
    });
    await pass(fixture, MINUTE);
    await pass(fixture, 5000);
    expect(await madeFor(fixture)).toEqual([60]);
  });

  test("once, though the store is slow and tells them again meanwhile", async () => {
    const fixture = await scheduled();
    let go: () => void = () => undefined;
    fixture.faults.set("fireSchedule", async (run) => {
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      return run();
    });
    await pass(fixture, MINUTE);
    await pass(fixture, 5000);
    expect(fixture.faults.calls("fireSchedule")).toBe(1);
    go();
    await pass(fixture, 1000);
    expect(await madeFor(fixture)).toEqual([60]);
  });

  test("after an outage as their misfire policy says", async () => {
    const fixture = await scheduled();
    fixture.faults.fail("tick");
    await pass(fixture, 10 * MINUTE);
    fixture.faults.clear("tick");
    await pass(fixture, 1000);
    // The last that was missed, and the one that is on time.
    expect(await madeFor(fixture)).toEqual([540, 600]);
  });

  test("into a full queue as far as there is room, and goes on when there is more", async () => {
    const warned: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_fields, message) => warned.push(message) };
    const fixture = await started({ numWorkers: 0, logger });
    await fixture.backend.createQueue("mail", { ...DEFAULT_QUEUE_SETTINGS, maxDepth: 3 });
    await fixture.backend.createSchedule(newSchedule(fixture.clock.now(), { queue: "mail", misfire: "RUN_ALL" }));
    fixture.faults.fail("tick");
    await pass(fixture, 8 * MINUTE);
    fixture.faults.clear("tick");
    await pass(fixture, 30_000);
    // The oldest first, and each once.
    expect(await madeFor(fixture, "mail")).toEqual([60, 120, 180]);
    expect(warned).toContain("a schedule finds its queue full; trying again");
    expect(await fixture.backend.getSchedule("mail", "nightly")).toMatchObject({ lastSkip: { reason: "QUEUE_FULL" } });
    await fixture.backend.purge("mail");
    await pass(fixture, 30_000);
    expect(await madeFor(fixture, "mail")).toEqual([240, 300, 360]);
    await fixture.backend.purge("mail");
    await pass(fixture, 30_000);
    expect(await madeFor(fixture, "mail")).toEqual([420, 480, 540]);
  });

  test("and skips a time whose job gives way to one that has its unique key", async () => {
    const job = { type: "echo", unique: { key: "report", onConflict: "REFUSE" as const } };
    const fixture = await scheduled({ job });
    await pass(fixture, MINUTE);
    await pass(fixture, MINUTE);
    expect(await madeFor(fixture)).toEqual([60]);
    const { nextRunAt = 0, createdAt, lastSkip } = await fixture.backend.getSchedule("default", "nightly");
    expect([nextRunAt - createdAt, lastSkip]).toEqual([3 * MINUTE, { at: createdAt + 2 * MINUTE, reason: "OVERLAP" }]);
    await fixture.backend.cancel((await jobsOf(fixture))[0]?.id ?? "");
    await pass(fixture, MINUTE);
    expect(await madeFor(fixture)).toEqual([60, 180]);
  });

  test("and has nothing to do while none is due, however many there are", async () => {
    const fixture = await started({ numWorkers: 0 });
    const now = fixture.clock.now();
    for (let count = 0; count < 2000; count++) {
      await fixture.backend.createSchedule(newSchedule(now, { name: `s${count}`, nextRunAt: now + 3_600_000 + count }));
    }
    await pass(fixture, 0);
    const [ticks, timers] = [fixture.faults.calls("tick"), fixture.clock.timers];
    await pass(fixture, 10 * MINUTE);
    // As without any.
    expect(fixture.faults.calls("tick") - ticks).toBe(20);
    expect(fixture.clock.timers).toBe(timers);
    expect(fixture.faults.calls("fireSchedule")).toBe(0);
  });

  test("in parts, where their payloads are large", async () => {
    const job = { type: "echo", payload: JSON.stringify("x".repeat(1_000_000)) };
    const fixture = await scheduled({ misfire: "RUN_ALL", job });
    const sizes: number[] = [];
    fixture.faults.set("fireSchedule", async (run, [firing]) => {
      sizes.push((firing as { jobs: readonly unknown[] }).jobs.length);
      return run();
    });
    fixture.faults.fail("tick");
    await pass(fixture, 10 * MINUTE);
    fixture.faults.clear("tick");
    await pass(fixture, 2000);
    expect(Math.max(...sizes)).toBe(4);
    expect(await madeFor(fixture)).toEqual([60, 120, 180, 240, 300, 360, 420, 480, 540, 600]);
  });

  test("but not one that it cannot read; the others are fired all the same", async () => {
    const warned: unknown[] = [];
    const logger: Logger = { ...silentLogger, warn: (fields, message) => warned.push([fields, message]) };
    const fixture = await scheduled({}, { logger });
    const foreign = {
      name: "foreign",
      cron: "@daily",
      timeZone: "Mars/Olympus",
      nextRunAt: fixture.clock.now() + MINUTE,
    };
    await fixture.backend.createSchedule(newSchedule(fixture.clock.now(), foreign));
    await pass(fixture, MINUTE);
    expect((await jobsOf(fixture)).map(({ schedule }) => schedule)).toEqual(["nightly"]);
    expect(warned).toMatchObject([
      [{ queue: "default", schedule: "foreign" }, expect.stringContaining("could not be fired")],
    ]);
  });

  test("no more once it stops", async () => {
    const fixture = await scheduled();
    await fixture.clock.advance(MINUTE - 1);
    const stopped = fixture.engine.stop(0);
    await pass(fixture, 10);
    await stopped;
    expect(fixture.faults.calls("fireSchedule")).toBe(0);
  });
});
