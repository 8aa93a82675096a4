import { MAX_MISSED_RUNS, MISFIRE_GRACE_MS, type Schedule, type ScheduleSkip } from "../../model/request/schedule.js";
import { lastTimes, timesOf } from "./next-times.js";

/** What a schedule does whose next time has come. */
export interface FiringPlan {
  /** The times that make a job each, in order. */
  readonly times: readonly number[];
  /** Its next time after that; undefined: none is left. */
  readonly nextRunAt: number | undefined;
  /** The last of the times that make none, if there is any that its policies say so of. */
  readonly skip: ScheduleSkip | undefined;
}

/** The most times that are on time at once: a second lies between two of them at the least. */
const MAX_ON_TIME = MISFIRE_GRACE_MS / 1000 + 1;

/**
 * Decides what a schedule does at `now`, ms since 1970, by the clock of its store; its `nextRunAt` is not after that. Each of its
 * times from that one on that is late by `MISFIRE_GRACE_MS` or less makes its job. Those that are later than that were missed, and
 * its misfire policy says which of them make one. With the overlap policy SKIP the first that makes a job is the only one, as that
 * job is not finished when the next is looked at. Never more than `maxRuns` in all. It goes on with its first time after `now`, so
 * a clock that is put back brings no time twice.
 *
 * Throws an Error when this server does not know its time zone or expression.
 */
export function planFiring(schedule: Schedule, now: number): FiringPlan {
  const { nextRunAt: from = now, misfire, overlap, maxRuns = Number.POSITIVE_INFINITY, runs } = schedule;
  const onTimeFrom = now - MISFIRE_GRACE_MS;
  const wanted = misfire === "RUN_ALL" ? MAX_MISSED_RUNS : 1;
  const missed = from < onTimeFrom ? [...lastTimes(schedule, from, onTimeFrom - 1, wanted + 1)] : [];
  const onTime = [...lastTimes(schedule, Math.max(from, onTimeFrom), now, MAX_ON_TIME)];
  // What it was said to run at counts, though its times may be others by now: time zones change their rules.
  if (missed.length + onTime.length === 0) (from < onTimeFrom ? missed : onTime).push(from);

  const late = misfire === "SKIP" ? [] : missed.slice(-wanted);
  const all = [...late, ...onTime];
  const times = all.slice(0, Math.min(overlap === "SKIP" ? 1 : all.length, Math.max(0, maxRuns - runs)));
  const nextRunAt = timesOf(schedule).after(now);
  return { times, nextRunAt, skip: skipOf(schedule, missed.slice(0, missed.length - late.length), all.slice(1)) };
}

/** `left`: times that were missed and make no job; `others`: those that come while the first of all has its job. */
function skipOf(
  { overlap, misfire }: Schedule,
  left: readonly number[],
  others: readonly number[],
): ScheduleSkip | undefined {
  const overlapped = overlap === "SKIP" ? others.at(-1) : undefined;
  if (overlapped !== undefined) return { at: overlapped, reason: "OVERLAP" };
  // With RUN_ONCE the last stands for all of them.
  const at = misfire === "RUN_ONCE" ? undefined : left.at(-1);
  return at === undefined ? undefined : { at, reason: "MISFIRE" };
}

/** The first `count` times of a plan; the schedule goes on with the one behind them. */
export function firstOf(plan: FiringPlan, count: number): FiringPlan {
  if (count >= plan.times.length) return plan;
  return { times: plan.times.slice(0, count), nextRunAt: plan.times[count], skip: undefined };
}
