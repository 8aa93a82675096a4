import { LIMITS } from "../../model/common/limits.js";
import type { Schedule } from "../../model/request/schedule.js";
import { parseCron } from "./cron-pattern.js";
import { localTimeIn } from "./local-time.js";

/** What decides the times of a schedule. Valid: see `checkTimes`. */
export type Times = Pick<Schedule, "cron" | "everyMs" | "timeZone" | "startsAt" | "endsAt" | "createdAt">;

/**
 * The times of a schedule, in ms since 1970, whole seconds for a cron expression. They strictly increase. A local time that a change of
 * the clock skips is the first moment after it, together with others that fall on it; one that the change repeats is its first time
 * round only. Neither pauses nor `maxRuns` count here.
 */
export interface ScheduleClock {
  /** The first of its times after an instant; undefined: none is left. */
  after(instant: number): number | undefined;
  /** The last of its times at an instant or before; undefined: there was none. */
  upTo(instant: number): number | undefined;
}

/** Returns the times of a schedule. Throws an Error when it has a cron expression or a time zone that this server does not know. */
export function timesOf(schedule: Times): ScheduleClock {
  const { startsAt = schedule.createdAt, endsAt = LIMITS.maxTime + 1 } = schedule;
  const { cron, everyMs, timeZone } = schedule;
  const times = everyMs === undefined ? calendar(cron ?? "", timeZone) : evenly(everyMs, startsAt);
  // What has no start begins after its creation, not with it: with `everyMs` its first time is one interval later.
  const first = schedule.startsAt ?? schedule.createdAt + 1;
  return {
    after(instant) {
      const time = times.after(Math.max(instant, first - 1));
      return time !== undefined && time < endsAt ? time : undefined;
    },
    upTo(instant) {
      const time = times.upTo(Math.min(instant, endsAt - 1));
      return time !== undefined && time >= first ? time : undefined;
    },
  };
}

/** The next times of a schedule after an instant, each found when it is asked for. */
export function* nextTimes(schedule: Times, instant: number): Generator<number, void> {
  const times = timesOf(schedule);
  for (let at = times.after(instant); at !== undefined; at = times.after(at)) yield at;
}

/** The last times of a schedule from `from` to `to`, both included, up to `count` of them, the earliest first. */
export function lastTimes(schedule: Times, from: number, to: number, count: number): readonly number[] {
  const times = timesOf(schedule);
  const list: number[] = [];
  for (let at = times.upTo(to); at !== undefined && at >= from && list.length < count; at = times.upTo(at - 1))
    list.push(at);
  return list.reverse();
}

/** Times at a fixed distance, counted from an instant that is one of them. */
function evenly(everyMs: number, anchor: number): ScheduleClock {
  return {
    after: (instant) => anchor + (Math.floor((instant - anchor) / everyMs) + 1) * everyMs,
    upTo: (instant) => anchor + Math.floor((instant - anchor) / everyMs) * everyMs,
  };
}

/** The instants at which the clock of a time zone shows the times of a cron expression. */
function calendar(cron: string, timeZone: string): ScheduleClock {
  const pattern = parseCron(cron);
  const zone = localTimeIn(timeZone);
  if (zone === undefined) throw new Error(`this server knows no time zone "${timeZone}"`);
  const instantOf = (local: number | undefined) => (local === undefined ? undefined : zone.firstInstant(local));
  return {
    after: (instant) => instantOf(pattern.after(zone.latestReached(instant))),
    upTo: (instant) => instantOf(pattern.upTo(zone.latestReached(instant))),
  };
}
