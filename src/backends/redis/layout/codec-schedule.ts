import type { Firing, ScheduleVersion } from "../../../core/port/schedule-store.js";
import { readSchedule, writeSchedule } from "../../../core/stores/saved-schedule.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import type { Schedule, ScheduleSkip, ScheduleSpec } from "../../../model/request/schedule.js";

// Reads and writes schedules outside of Redis. What a schedule was asked to be lies apart from how it stands: a firing touches that
// only. Its times are texts, as Lua would round those that are far away.

/** How a schedule stands; see `OBJECTS.schedule` of table.ts. */
interface Standing {
  readonly created_at: number;
  readonly updated_at: number;
  readonly revision: number;
  readonly paused?: boolean | undefined;
  readonly next_run_at?: string | undefined;
  readonly last_run_at?: string | undefined;
  readonly last_job?: string | undefined;
  readonly runs: number;
  readonly skipped_at?: string | undefined;
  readonly skip_reason?: ScheduleSkip["reason"] | undefined;
}

/** Writes how a new schedule stands. */
export function writeStanding({ createdAt, updatedAt, revision, paused, nextRunAt, runs }: Schedule): string {
  const standing: Standing = {
    created_at: createdAt,
    updated_at: updatedAt,
    revision,
    paused: paused || undefined,
    next_run_at: timeText(nextRunAt),
    runs,
  };
  return JSON.stringify(standing);
}

/** Reads a schedule from how it stands, and its spec as `writeSchedule` wrote it. */
export function readStored(standing: string, spec: string): Schedule {
  const text: Standing = JSON.parse(standing);
  const given = readSchedule<ScheduleSpec>(spec);
  const { skipped_at, skip_reason, last_job } = text;
  const isSkipped = skipped_at !== undefined && skip_reason !== undefined;
  return {
    ...given,
    paused: text.paused === true,
    revision: text.revision,
    createdAt: text.created_at,
    updatedAt: text.updated_at,
    nextRunAt: timeOf(text.next_run_at),
    lastRunAt: timeOf(text.last_run_at),
    lastJobId: last_job === undefined ? undefined : jobIdOf(given.queue, last_job),
    runs: text.runs,
    lastSkip: isSkipped ? { at: Number(skipped_at), reason: skip_reason } : undefined,
  };
}

/** Writes a spec. */
export function writeScheduleSpec(spec: ScheduleSpec): string {
  return writeSchedule(spec);
}

/** Tells what a schedule was when it was read, as `versionOf` of the scripts. */
export function versionText({ createdAt, revision, nextRunAt }: ScheduleVersion): string {
  return `${createdAt} ${revision} ${timeText(nextRunAt) ?? ""}`;
}

/** Writes a firing without its jobs, as FIRE reads it. */
export function firingText(firing: Firing): string {
  const { name, was, jobs, nextRunAt, maxRuns, skipsOverlap, byHand, skip } = firing;
  return JSON.stringify({
    name,
    was: versionText(was),
    at: timeText(jobs.at(-1)?.scheduledFor),
    next_run_at: timeText(nextRunAt),
    max_runs: maxRuns,
    skips_overlap: skipsOverlap || undefined,
    by_hand: byHand || undefined,
    skipped_at: timeText(skip?.at),
    skip_reason: skip?.reason,
  });
}

/** A time as text; empty for none. */
export function nextRunText(nextRunAt: number | undefined): string {
  return timeText(nextRunAt) ?? "";
}

function timeText(time: number | undefined): string | undefined {
  return time === undefined ? undefined : String(time);
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
