import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createdSchedule } from "../../../src/core/port/schedule-store.js";
import { firstOf, planFiring } from "../../../src/core/schedules/plan-firing.js";
import type { Schedule, ScheduleTimes } from "../../../src/model/request/schedule.js";
import { newSchedule } from "../../support/schedule.js";

const CREATED = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

type Given = Partial<Pick<Schedule, "overlap" | "misfire" | "endsAt" | "maxRuns" | "runs" | "nextRunAt">>;

/** A schedule with these times; its first is ten seconds after its creation. */
function scheduled(
  times: ScheduleTimes,
  { runs = 0, nextRunAt = CREATED + 10 * SECOND, ...spec }: Given = {},
): Schedule {
  const created = newSchedule(CREATED, { ...spec, nextRunAt });
  const { everyMs: _every, ...rest } = createdSchedule(created);
  return { ...rest, ...times, runs } as Schedule;
}

/** One that runs every ten seconds. */
const every10s = (given?: Given) => scheduled({ everyMs: 10 * SECOND }, given);

/** Seconds since the creation. */
const since = (times: readonly number[]) => times.map((time) => (time - CREATED) / SECOND);

function plan(schedule: Schedule, seconds: number) {
  const { times, nextRunAt, skip } = planFiring(schedule, CREATED + seconds * SECOND);
  const next = nextRunAt === undefined ? undefined : (nextRunAt - CREATED) / SECOND;
  return { times: since(times), next, skip: skip && `${(skip.at - CREATED) / SECOND} ${skip.reason}` };
}

describe("a schedule whose time has come", () => {
  test.each([
    ["just now", 10, [10], 20],
    ["a moment ago", 10.4, [10], 20],
    ["with the next one", 20, [10, 20], 30],
    ["up to a minute ago, as often as that", 70, [10, 20, 30, 40, 50, 60, 70], 80],
  ])("makes a job for each time that is on time: %s", (_name, at, times, next) => {
    for (const misfire of ["RUN_ONCE", "SKIP", "RUN_ALL"] as const) {
      expect(plan(every10s({ misfire }), at)).toEqual({ times, next, skip: undefined });
    }
  });

  const ON_TIME = [3540, 3550, 3560, 3570, 3580, 3590, 3600];

  test("makes one for the last of those it has missed, with RUN_ONCE", () => {
    expect(plan(every10s(), 3600)).toEqual({ times: [3530, ...ON_TIME], next: 3610, skip: undefined });
  });

  test("makes none for those it has missed, with SKIP, and says so", () => {
    const expected = { times: ON_TIME, next: 3610, skip: "3530 MISFIRE" };
    expect(plan(every10s({ misfire: "SKIP" }), 3600)).toEqual(expected);
  });

  test("makes one for each it has missed, with RUN_ALL, up to the last hundred", () => {
    const few = plan(every10s({ misfire: "RUN_ALL" }), 300);
    expect(few).toEqual({ times: Array.from({ length: 30 }, (_, at) => (at + 1) * 10), next: 310, skip: undefined });
    const many = plan(every10s({ misfire: "RUN_ALL" }), 3600);
    expect(many.times).toHaveLength(107);
    expect(many).toMatchObject({ next: 3610, skip: "2530 MISFIRE" });
    expect(many.times[0]).toBe(2540);
  });

  test("of a day is not missed by a start that takes a while, and is by an outage", () => {
    const nextRunAt = CREATED + 3 * HOUR;
    const times = (misfire: Schedule["misfire"], lateMs: number) => {
      const schedule = scheduled({ cron: "0 3 * * *" }, { nextRunAt, misfire });
      return since(planFiring(schedule, CREATED + 3 * HOUR + lateMs).times);
    };
    expect(times("SKIP", MINUTE)).toEqual([3 * 3600]);
    expect(times("SKIP", MINUTE + 1)).toEqual([]);
    expect(times("RUN_ONCE", 80 * HOUR)).toEqual([75 * 3600]);
    expect(times("RUN_ALL", 80 * HOUR)).toEqual([3 * 3600, 27 * 3600, 51 * 3600, 75 * 3600]);
  });

  test("makes one job at once only, when it may not overlap", () => {
    expect(plan(every10s({ overlap: "SKIP" }), 35)).toEqual({ times: [10], next: 40, skip: "30 OVERLAP" });
    const missed = plan(every10s({ overlap: "SKIP", misfire: "RUN_ALL" }), 300);
    expect(missed).toEqual({ times: [10], next: 310, skip: "300 OVERLAP" });
    expect(plan(every10s({ overlap: "SKIP" }), 3600).times).toEqual([3530]);
  });

  test("makes no more than its runs, and none after its end", () => {
    expect(plan(every10s({ maxRuns: 5, runs: 2 }), 70).times).toEqual([10, 20, 30]);
    expect(plan(every10s({ endsAt: CREATED + 30 * SECOND }), 70)).toMatchObject({ times: [10, 20], next: undefined });
    expect(plan(every10s({ endsAt: CREATED + 30 * SECOND }), 3600)).toMatchObject({ times: [20], next: undefined });
  });

  test("runs though its times have become others: it was said that it would", () => {
    const moved = every10s({ nextRunAt: CREATED + 15 * SECOND });
    expect(plan(moved, 16)).toEqual({ times: [15], next: 20, skip: undefined });
    const slower = scheduled({ everyMs: 10_000 * SECOND }, { nextRunAt: CREATED + 15 * SECOND, misfire: "SKIP" });
    expect(plan(slower, 80)).toEqual({ times: [], next: 10_000, skip: "15 MISFIRE" });
  });

  test("that never came more than once a second, for years, is found soon", () => {
    const schedule = scheduled({ cron: "* * * * * *" }, { nextRunAt: CREATED + SECOND, misfire: "RUN_ALL" });
    const { times } = planFiring(schedule, CREATED + 5 * 365 * 24 * HOUR);
    expect(times).toHaveLength(161);
  });
});

test("a part of a plan goes on with the first time that it leaves", () => {
  const whole = planFiring(every10s(), CREATED + 35 * SECOND);
  expect(firstOf(whole, 3)).toBe(whole);
  expect(firstOf(whole, 2)).toEqual({ ...whole, times: whole.times.slice(0, 2), nextRunAt: whole.times[2] });
});

test("whenever somebody looks, each time makes one job as long as none is missed", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 59_000 }), { maxLength: 30 }), (waits) => {
      let schedule = every10s({ misfire: "SKIP" });
      let now = CREATED;
      const made: number[] = [];
      for (const wait of waits) {
        now += wait;
        if ((schedule.nextRunAt ?? 0) > now) continue;
        const { times, nextRunAt } = planFiring(schedule, now);
        made.push(...times);
        expect(nextRunAt).toBeGreaterThan(now);
        schedule = { ...schedule, nextRunAt };
      }
      expect(since(made)).toEqual(made.map((_, at) => (at + 1) * 10));
      expect((schedule.nextRunAt ?? 0) - CREATED).toBe((made.length + 1) * 10 * SECOND);
    }),
  );
});
