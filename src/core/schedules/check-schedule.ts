import { defined } from "../../model/common/defined.js";
import { errorText } from "../../model/common/describe-error.js";
import { LIMITS } from "../../model/common/limits.js";
import { DEFAULT_QUEUE } from "../../model/queue/queue.js";
import {
  DEFAULT_TIME_ZONE,
  MISFIRE_POLICIES,
  OVERLAP_POLICIES,
  type ScheduleChanges,
  type ScheduledJob,
  type ScheduleRequest,
  type ScheduleSpec,
  type ScheduleTimes,
  type ScheduleTimesRequest,
} from "../../model/request/schedule.js";
import { checkJob, type JobRequest } from "../../model/request/validate.js";
import { Violations } from "../../model/request/violations.js";
import { parseCron } from "./cron-pattern.js";
import { localTimeIn } from "./local-time.js";

/** Adds a violation for each invalid field of a schedule to create. `path`: what their names begin with. `now`: ms since 1970. */
export function checkSchedule(violations: Violations, path: string, request: ScheduleRequest, now: number): void {
  if (request.queue) violations.queueName(`${path}queue`, request.queue);
  violations.queueName(`${path}name`, request.name ?? "");
  checkTimes(violations, path, request);
  checkPolicies(violations, path, request);
  checkTemplate(violations, `${path}job.`, request.job ?? {}, now);
}

/** Adds a violation for each invalid field of what is to be changed; what it is then as a whole, `checkSchedule` checks. */
export function checkChanges(violations: Violations, path: string, changes: ScheduleChanges, now: number): void {
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== null)) as ScheduleChanges;
  if ((changes.cron === null || changes.everyMs === null) && given.cron === undefined && given.everyMs === undefined) {
    violations.add(`${path}cron`, NO_TIMES);
  }
  checkGivenTimes(violations, path, given as ScheduleTimesRequest);
  checkPolicies(violations, path, given as ScheduleRequest);
  if (changes.job === null) violations.add(`${path}job`, "must be set");
  else if (changes.job !== undefined) checkTemplate(violations, `${path}job.`, changes.job, now);
}

const NO_TIMES = "must be set, or every";

/** Adds a violation for each invalid field of those that decide when a schedule runs. */
export function checkTimes(violations: Violations, path: string, times: ScheduleTimesRequest): void {
  if (times.cron === undefined && times.everyMs === undefined) violations.add(`${path}cron`, NO_TIMES);
  checkGivenTimes(violations, path, times);
}

function checkGivenTimes(violations: Violations, path: string, times: ScheduleTimesRequest): void {
  const { cron, everyMs, startsAt, endsAt } = times;
  if (cron !== undefined && everyMs !== undefined) {
    violations.add(`${path}every`, "must not be set together with a cron expression");
  }
  if (cron !== undefined) checkCron(violations, path, cron);
  violations.duration(`${path}every`, everyMs, LIMITS.minEveryMs);
  checkTimeZone(violations, `${path}timeZone`, times.timeZone);
  violations.time(`${path}startsAt`, startsAt, LIMITS.maxTime);
  violations.time(`${path}endsAt`, endsAt, LIMITS.maxTime);
  if (startsAt !== undefined && endsAt !== undefined && endsAt <= startsAt) {
    violations.add(`${path}endsAt`, "must be after the time that it starts at");
  }
  violations.integer(`${path}maxRuns`, times.maxRuns, 1, LIMITS.maxRuns);
}

function checkCron(violations: Violations, path: string, cron: string): void {
  const before = violations.list.length;
  violations.text(`${path}cron`, cron, 1, LIMITS.cronLength);
  if (violations.list.length > before) return;
  const everyMs = readEvery(cron);
  violations.duration(`${path}cron`, everyMs, LIMITS.minEveryMs);
  try {
    if (everyMs === undefined) parseCron(cron);
  } catch (error) {
    violations.add(`${path}cron`, errorText(error));
  }
}

function checkTimeZone(violations: Violations, field: string, timeZone: string | undefined): void {
  if (!timeZone) return;
  const before = violations.list.length;
  violations.text(field, timeZone, 1, LIMITS.timeZoneLength);
  if (violations.list.length === before && localTimeIn(timeZone) === undefined) {
    violations.add(field, `must be the IANA name of a time zone, as Europe/Berlin; this server knows no "${timeZone}"`);
  }
}

function checkPolicies(violations: Violations, path: string, request: ScheduleRequest): void {
  const { overlap, misfire } = request;
  if (overlap !== undefined && !OVERLAP_POLICIES.includes(overlap)) {
    violations.add(`${path}overlap`, `must be one of ${OVERLAP_POLICIES.join(", ")}`);
  }
  if (misfire !== undefined && !MISFIRE_POLICIES.includes(misfire)) {
    violations.add(`${path}misfire`, `must be one of ${MISFIRE_POLICIES.join(", ")}`);
  }
  violations.duration(`${path}jitter`, request.jitterMs, 0, LIMITS.jitterMs);
}

/** Why a create takes these and the job of a schedule does not. */
const REFUSED: Readonly<Partial<Record<keyof JobRequest, string>>> = {
  queue: "the jobs of a schedule go to its queue",
  delayMs: "its jobs run at its times: see jitter",
  runAfter: "its jobs run at its times",
  expiresAt: "a fixed time suits one job: use ttl",
  requestId: "each job is another one",
  traceContext: "its jobs begin traces of their own",
};

/** As callers name it. */
const NAMES: Readonly<Partial<Record<string, string>>> = { delayMs: "delay" };

function checkTemplate(violations: Violations, path: string, job: ScheduledJob, now: number): void {
  const part = new Violations();
  const given = job as Readonly<Record<string, unknown>>;
  for (const [field, why] of Object.entries(REFUSED)) {
    if (given[field] !== undefined && given[field] !== "") part.add(NAMES[field] ?? field, `must not be set: ${why}`);
  }
  if (job.unique?.onConflict === "REFUSE") {
    part.add("unique.onConflict", "must not be REFUSE: at its times there is nobody to be told");
  }
  checkJob(part, templateOf(job), now);
  violations.addPart(path, part);
}

/** What a schedule keeps of a job; of what a caller may go on to change it is a copy. */
function templateOf(job: ScheduledJob): ScheduledJob {
  const { queue, delayMs, runAfter, expiresAt, requestId, traceContext, ...kept } = job as JobRequest;
  const { payload, metadata } = kept;
  return defined({
    ...kept,
    key: kept.key || undefined,
    payload: payload instanceof Uint8Array ? new Uint8Array(payload) : payload,
    metadata: metadata && { ...metadata },
  });
}

/** Converts a schedule that was checked: with defaults, in whole ms. */
export function toScheduleSpec(request: ScheduleRequest): ScheduleSpec {
  return {
    ...toTimes(request),
    queue: request.queue || DEFAULT_QUEUE,
    name: request.name,
    job: templateOf(request.job),
    overlap: request.overlap ?? "ALLOW",
    misfire: request.misfire ?? "RUN_ONCE",
    jitterMs: Math.ceil(request.jitterMs ?? 0),
  };
}

/** Converts times that were checked. */
export function toTimes(
  times: ScheduleTimesRequest,
): ScheduleTimes & Pick<ScheduleSpec, "timeZone" | "startsAt" | "endsAt" | "maxRuns"> {
  const { cron, startsAt, endsAt, maxRuns } = times;
  const everyMs = times.everyMs ?? readEvery(cron ?? "");
  const spacing = everyMs === undefined ? { cron: cron ?? "" } : { everyMs: Math.ceil(everyMs) };
  return {
    ...spacing,
    timeZone: times.timeZone || DEFAULT_TIME_ZONE,
    startsAt: startsAt && Math.ceil(startsAt),
    endsAt: endsAt && Math.ceil(endsAt),
    maxRuns,
  };
}

const UNITS: Readonly<Partial<Record<string, number>>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Reads `@every 1h30m`, as some crons have it: ms; undefined: it is not that. */
function readEvery(cron: string): number | undefined {
  const text = /^@every\s+((?:\d{1,12}(?:\.\d{1,9})?(?:h|ms|m|s))+)$/i.exec(cron.trim())?.[1];
  if (text === undefined) return undefined;
  let ms = 0;
  for (const [, count, unit] of text.toLowerCase().matchAll(/([\d.]+)(h|ms|m|s)/g))
    ms += Number(count) * (UNITS[unit ?? ""] ?? 0);
  return ms;
}
