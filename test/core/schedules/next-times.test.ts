import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lastTimes, type Times, nextTimes as timesAfter, timesOf } from "../../../src/core/schedules/next-times.js";
import { runs } from "../../support/runs.js";

const DAY = 86_400_000;

function schedule(times: Partial<Times>, createdAt = 0): Times {
  return { timeZone: "UTC", startsAt: undefined, endsAt: undefined, createdAt, ...times } as Times;
}

/** The first of the next times. */
function nextTimes(times: Times, instant: number, count: number): readonly number[] {
  const list: number[] = [];
  for (const at of timesAfter(times, instant)) if (list.push(at) === count) break;
  return list;
}

/** The next times of a cron expression, as ISO texts. */
function next(cron: string, timeZone: string, from: string, count: number): readonly string[] {
  return nextTimes(schedule({ cron, timeZone }), Date.parse(from), count).map(iso);
}

function iso(time: number): string {
  return new Date(time).toISOString().replace(":00.000Z", "Z");
}

describe("times by the calendar", () => {
  // Each row: a time that the change skips, what runs around it; then one that it repeats.
  it.each([
    ["Europe/Berlin", "30 2 * * *", "2026-03-28T12:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]],
    ["Europe/Berlin", "30 2 * * *", "2026-10-24T12:00Z", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]],
    ["America/New_York", "15 2 * * *", "2026-03-07T12:00Z", ["2026-03-08T07:00Z", "2026-03-09T06:15Z"]],
    ["America/New_York", "15 1 * * *", "2026-10-31T12:00Z", ["2026-11-01T05:15Z", "2026-11-02T06:15Z"]],
    ["Australia/Lord_Howe", "10 2 * * *", "2026-10-03T00:00Z", ["2026-10-03T15:30Z", "2026-10-04T15:10Z"]],
    ["Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00Z", ["2026-04-04T14:45Z", "2026-04-05T15:15Z"]],
    ["America/Santiago", "0 0 * * *", "2026-09-05T12:00Z", ["2026-09-06T04:00Z", "2026-09-07T03:00Z"]],
    ["America/Santiago", "30 23 * * *", "2026-04-04T12:00Z", ["2026-04-05T02:30Z", "2026-04-06T03:30Z"]],
    // The 30th of December 2011 was left out there.
    ["Pacific/Apia", "0 12 * * *", "2011-12-29T23:00Z", ["2011-12-30T10:00Z", "2011-12-30T22:00Z"]],
    ["Pacific/Apia", "0 12 30 * *", "2011-12-01T00:00Z", ["2011-12-30T10:00Z", "2012-01-29T22:00Z"]],
  ])("in %s, %s runs once when the clock skips or repeats it", (timeZone, cron, from, times) => {
    expect(next(cron, timeZone, from, 2)).toEqual(times);
  });

  it("runs once for all the times that a change of the clock skips, and for none of those that it repeats", () => {
    const skipped = ["2026-03-29T00:45Z", "2026-03-29T01:00Z", "2026-03-29T01:15Z"];
    expect(next("*/15 * * * *", "Europe/Berlin", "2026-03-29T00:30Z", 3)).toEqual(skipped);
    const repeated = ["2026-10-25T00:45Z", "2026-10-25T02:00Z", "2026-10-25T02:15Z"];
    expect(next("*/15 * * * *", "Europe/Berlin", "2026-10-25T00:30Z", 3)).toEqual(repeated);
    // Also when it is asked for in the middle of the second time round.
    expect(next("*/15 * * * *", "Europe/Berlin", "2026-10-25T01:20Z", 1)).toEqual(["2026-10-25T02:00Z"]);
    expect(next("* * * * * *", "Europe/Berlin", "2026-10-25T01:20:33.5Z", 1)).toEqual(["2026-10-25T02:00Z"]);
  });

  it.each([
    ["0 0 29 2 *", "2026-01-01T00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]],
    ["0 0 29 2 *", "2096-03-01T00:00Z", ["2104-02-29T00:00Z", "2108-02-29T00:00Z"]],
    ["0 0 29 2 +MON", "2026-01-01T00:00Z", ["2044-02-29T00:00Z", "2072-02-29T00:00Z"]],
    ["0 0 L * *", "2028-01-31T12:00Z", ["2028-02-29T00:00Z", "2028-03-31T00:00Z"]],
    ["0 0 31 * *", "2026-01-31T12:00Z", ["2026-03-31T00:00Z", "2026-05-31T00:00Z"]],
    ["0 9 * * FRI#L", "2026-01-01T00:00Z", ["2026-01-30T09:00Z", "2026-02-27T09:00Z"]],
    ["0 9 * * 1#2", "2026-01-01T00:00Z", ["2026-01-12T09:00Z", "2026-02-09T09:00Z"]],
    ["0 9 15W * *", "2026-02-01T00:00Z", ["2026-02-16T09:00Z", "2026-03-16T09:00Z"]],
    ["0 0 13 * FRI", "2026-03-01T00:00Z", ["2026-03-06T00:00Z", "2026-03-13T00:00Z"]],
    ["@hourly", "2026-01-01T00:00Z", ["2026-01-01T01:00Z", "2026-01-01T02:00Z"]],
    ["@weekly", "2026-01-01T00:00Z", ["2026-01-04T00:00Z", "2026-01-11T00:00Z"]],
    ["@yearly", "2026-01-01T00:00Z", ["2027-01-01T00:00Z", "2028-01-01T00:00Z"]],
  ])("%s after %s", (cron, from, times) => {
    expect(next(cron, "UTC", from, 2)).toEqual(times);
  });

  it("takes seconds as the first of six fields", () => {
    expect(next("*/20 * * * * *", "UTC", "2026-01-01T00:00:30Z", 2)).toEqual([
      "2026-01-01T00:00:40.000Z",
      "2026-01-01T00:01Z",
    ]);
  });

  it.each([
    ["0 0 30 2 *", "never runs"],
    ["0 0 31 2,4,6,9,11 *", "never runs"],
    ["0 0 31 * +5#1", "never runs"],
    ["0 0 31W 2 *", "never runs"],
    ["60 * * * *", "Invalid value for minute: 60"],
    ["*/0 * * * *", "illegal stepping"],
    ["* * * *", "must have five fields"],
    ["* * * * * * 2030", "must have five fields"],
    ["2030-01-01T00:00:00", "must have five fields"],
    ["", "must have five fields"],
    ["@reboot", "must be one of @yearly"],
    ["@often", "must be one of @yearly"],
    ["@every", "or @every and an interval"],
    ["@every 90x", "or @every and an interval"],
  ])('refuses "%s": %s', (cron, why) => {
    expect(() => timesOf(schedule({ cron }))).toThrow(why);
  });

  it("knows time zones by their names only", () => {
    for (const timeZone of ["Mars/Olympus", "+02:00", "", "local"]) {
      expect(() => timesOf(schedule({ cron: "@daily", timeZone }))).toThrow("time zone");
    }
    expect(next("@daily", "europe/berlin", "2026-01-01T00:00Z", 1)).toEqual(["2026-01-01T23:00Z"]);
  });

  it("begins with startsAt and is over at endsAt", () => {
    const startsAt = Date.parse("2026-01-05T00:00Z");
    const endsAt = Date.parse("2026-01-07T00:00Z");
    const bounded = schedule({ cron: "@daily", startsAt, endsAt });
    expect(nextTimes(bounded, 0, 10).map(iso)).toEqual(["2026-01-05T00:00Z", "2026-01-06T00:00Z"]);
    expect(lastTimes(bounded, 0, endsAt + 9 * DAY, 10).map(iso)).toEqual(["2026-01-05T00:00Z", "2026-01-06T00:00Z"]);
  });
});

describe("evenly spaced times", () => {
  it("are counted from the creation, the first one interval later", () => {
    const every = schedule({ everyMs: 90_000 }, 1_000_000);
    expect(nextTimes(every, 0, 3)).toEqual([1_090_000, 1_180_000, 1_270_000]);
    expect(nextTimes(every, 1_180_000, 1)).toEqual([1_270_000]);
    expect(lastTimes(every, 0, 1_200_000, 10)).toEqual([1_090_000, 1_180_000]);
  });

  it("are counted from startsAt, which is the first of them", () => {
    const every = schedule({ everyMs: 60_000, startsAt: 5_000_000 }, 1_000_000);
    expect(nextTimes(every, 0, 2)).toEqual([5_000_000, 5_060_000]);
    expect(nextTimes(schedule({ everyMs: 60_000, startsAt: 500 }, 1_000_000), 1_000_000, 2)).toEqual([
      1_020_500, 1_080_500,
    ]);
  });
});

/** Whether a local minute is one that a cron expression of plain lists and stars means. */
function means(cron: string, local: number): boolean {
  const [minutes = "", hours = "", days = "", months = "", weekdays = ""] = cron.split(" ");
  const date = new Date(local);
  const has = (field: string, value: number) => field === "*" || field.split(",").map(Number).includes(value);
  const isDay = has(days, date.getUTCDate());
  const isWeekday = has(weekdays, date.getUTCDay());
  const byDay = days === "*" || weekdays === "*" ? isDay && isWeekday : isDay || isWeekday;
  return (
    has(minutes, date.getUTCMinutes()) && has(hours, date.getUTCHours()) && has(months, date.getUTCMonth() + 1) && byDay
  );
}

/** What the clock on the wall shows, by another way than the code under test. */
function wallClock(timeZone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" });
  return (instant) => Date.parse(`${format.format(instant).replace(" ", "T")}Z`);
}

/** All times within a span, minute by minute: a time has come when the clock shows it or a later one for the first time. */
function slowly(cron: string, timeZone: string, from: number, to: number): readonly number[] {
  const shows = wallClock(timeZone);
  const times: number[] = [];
  let reached = shows(from - 2 * DAY);
  for (let instant = from - 2 * DAY; instant <= to; instant += 60_000) {
    const shown = shows(instant);
    let isDue = false;
    for (; reached < shown; reached += 60_000) isDue ||= means(cron, reached + 60_000);
    if (isDue && instant > from) times.push(instant);
  }
  return times;
}

describe("times by the calendar, compared with a slow clock", () => {
  // Days around changes of the clock, and others.
  const changes = [
    ["Europe/Berlin", "2026-03-29"],
    ["Europe/Berlin", "2026-10-25"],
    ["America/New_York", "2026-03-08"],
    ["America/New_York", "2026-11-01"],
    ["Australia/Lord_Howe", "2026-04-05"],
    ["Australia/Lord_Howe", "2026-10-04"],
    ["America/Santiago", "2026-04-05"],
    ["America/Santiago", "2026-09-06"],
    ["Pacific/Apia", "2011-12-30"],
    ["Africa/Casablanca", "2026-02-15"],
    ["Asia/Kathmandu", "2028-02-29"],
  ] as const;
  const list = (min: number, max: number) =>
    fc.oneof(
      fc.constant("*"),
      fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 }).map((values) => values.join(",")),
    );
  const crons = fc
    .tuple(list(0, 59), list(0, 4), list(1, 31), fc.constant("*"), list(0, 6))
    .map((fields) => fields.join(" "));

  it("are exactly the same, forwards and backwards", { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(
        crons,
        fc.constantFrom(...changes),
        fc.integer({ min: -2 * 1440, max: 60 }),
        (cron, change, offset) => {
          const [timeZone, day] = change;
          const from = Date.parse(`${day}T00:00Z`) + offset * 60_000;
          const to = from + 1.5 * DAY;
          const expected = slowly(cron, timeZone, from, to);
          const found = nextTimes(schedule({ cron, timeZone }), from, expected.length + 1);
          expect(found.filter((time) => time <= to)).toEqual(expected);
          expect(lastTimes(schedule({ cron, timeZone }), from + 1, to, expected.length + 1)).toEqual(expected);
        },
      ),
      { numRuns: runs(20) },
    );
  });

  it("strictly increase, whatever is asked for", () => {
    const zones = Intl.supportedValuesOf("timeZone");
    const anyCron = fc
      .tuple(
        list(0, 59),
        list(0, 23),
        fc.oneof(list(1, 28), fc.constantFrom("L", "31", "15W")),
        list(1, 12),
        fc.oneof(list(0, 7), fc.constantFrom("1#1", "5#L")),
      )
      .map((fields) => fields.join(" "));
    fc.assert(
      fc.property(
        anyCron,
        fc.constantFrom(...zones),
        fc.integer({ min: 1.7e12, max: 4e12 }),
        (cron, timeZone, from) => {
          let times: readonly number[];
          try {
            times = nextTimes(schedule({ cron, timeZone }), from, 20);
          } catch (error) {
            expect(String(error)).toContain("never runs");
            return;
          }
          expect(times).toHaveLength(20);
          times.reduce((before, time) => {
            expect(time).toBeGreaterThan(before);
            return time;
          }, from);
          expect(lastTimes(schedule({ cron, timeZone }), from + 1, times.at(-1) ?? 0, 20)).toEqual(times);
        },
      ),
      { numRuns: runs(100) },
    );
  });
});
