import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { UniqueConflict as UniqueConflictPb, UniqueUntil as UniqueUntilPb } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  MisfirePolicy as MisfirePolicyPb,
  OverlapPolicy as OverlapPolicyPb,
  type ScheduledJob as ScheduledJobPb,
  ScheduledJobSchema,
  type Schedule as SchedulePb,
  ScheduleSchema,
  ScheduleState as ScheduleStatePb,
  SkipReason as SkipReasonPb,
} from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { readContent } from "../../api/job-content.js";
import type { Schedule, ScheduleChanges, ScheduledJob, ScheduleName } from "../../api/schedules.js";
import { fieldInvalid } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { textOf } from "../../model/job/job.js";
import type { NewJob } from "../../model/job/new-job.js";
import type { UniqueConflict, UniqueUntil } from "../../model/job/unique.js";
import type { MisfirePolicy, OverlapPolicy, ScheduleSkip, ScheduleState } from "../../model/request/schedule.js";
import { fromBackoff } from "./backoff.js";
import { numberOf } from "./enum-number.js";
import { fromPayloadKind } from "./json.js";
import { toCreateRequest } from "./new-job.js";
import { lengthOf, timeOf } from "./times.js";

/** Converts a schedule, or changes of one. Null and what is not given are left out: an update says by its mask which of them it means. */
export function toSchedule({ queue = "", name }: ScheduleName, given: ScheduleChanges, paused = false): SchedulePb {
  const { cron, everyMs, timeZone, job, overlap, misfire, startsAt, endsAt, maxRuns, jitterMs } = given;
  const message = create(ScheduleSchema, { queue, name, paused });
  if (isGiven(cron) && isGiven(everyMs)) {
    throw fieldInvalid([{ field: "everyMs", description: "cannot be set together with cron" }]);
  }
  if (isGiven(cron)) message.spec = { case: "cron", value: cron };
  if (isGiven(everyMs)) message.spec = { case: "every", value: toDuration("everyMs", everyMs) };
  if (isGiven(timeZone)) message.timeZone = timeZone;
  if (isGiven(job)) message.job = toTemplate(job);
  if (isGiven(overlap)) message.overlap = numberOf("overlap", OverlapPolicyPb, overlap);
  if (isGiven(misfire)) message.misfire = numberOf("misfire", MisfirePolicyPb, misfire);
  if (isGiven(startsAt)) message.startsAt = toTime("startsAt", startsAt);
  if (isGiven(endsAt)) message.endsAt = toTime("endsAt", endsAt);
  if (isGiven(maxRuns)) message.maxRuns = toCount("maxRuns", maxRuns);
  if (isGiven(jitterMs)) message.jitter = toDuration("jitterMs", jitterMs);
  return message;
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

/** 0 would stand for no limit. */
function toCount(field: string, count: number): number {
  if (Number.isInteger(count) && count > 0 && count < 2 ** 31) return count;
  throw fieldInvalid([{ field, description: `must be a whole number from 1, got ${count}` }]);
}

function toDuration(field: string, ms: number): Duration {
  if (Number.isFinite(ms)) return durationFromMs(Math.ceil(ms));
  throw fieldInvalid([{ field, description: `must be a number of ms, got ${ms}` }]);
}

/** Converts a time. Throws FIELD_INVALID for what a Timestamp cannot tell. */
export function toTime(field: string, at: Date | number): Timestamp {
  const ms = Math.ceil(Number(at));
  if (ms >= LIMITS.minTime && ms <= LIMITS.maxTime) return timestampFromMs(ms);
  throw fieldInvalid([{ field, description: `must be a time in the years 1 to 9999, got ${at}` }]);
}

/** Converts a schedule from its message. */
export function fromSchedule(schedule: SchedulePb | undefined): Schedule {
  const { queue, name, spec, timeZone, job, paused, revision, maxRuns, lastJobId, lastSkip, queuePaused } =
    schedule ?? create(ScheduleSchema);
  return {
    queue,
    name,
    cron: spec.case === "cron" ? spec.value : undefined,
    everyMs: spec.case === "every" ? durationMs(spec.value) : undefined,
    timeZone,
    job: job === undefined ? { type: "" } : fromTemplate(job),
    payloadText: job && textOf(fromPayloadKind(job.payloadKind)),
    overlap: (OverlapPolicyPb[schedule?.overlap || 1] ?? "ALLOW") as OverlapPolicy,
    misfire: (MisfirePolicyPb[schedule?.misfire || 1] ?? "RUN_ONCE") as MisfirePolicy,
    startsAt: timeOf(schedule?.startsAt),
    endsAt: timeOf(schedule?.endsAt),
    maxRuns: maxRuns === 0 ? undefined : maxRuns,
    jitterMs: lengthOf(schedule?.jitter) ?? 0,
    paused,
    revision,
    createdAt: timeOf(schedule?.createdAt) ?? 0,
    updatedAt: timeOf(schedule?.updatedAt) ?? 0,
    nextRunAt: timeOf(schedule?.nextRunAt),
    lastRunAt: timeOf(schedule?.lastRunAt),
    lastJobId: lastJobId || undefined,
    runs: Number(schedule?.runs ?? 0),
    state: (ScheduleStatePb[schedule?.state || 1] ?? "ACTIVE") as ScheduleState,
    lastSkip: lastSkip && {
      at: timeOf(lastSkip.time) ?? 0,
      reason: (SkipReasonPb[lastSkip.reason] ?? "MISFIRE") as ScheduleSkip["reason"],
    },
    queuePaused,
  };
}

function toTemplate(job: ScheduledJob): ScheduledJobPb {
  const request = toCreateRequest(job as NewJob, "", "job.");
  const { queue, requestId, schedule, expiresAt, traceContext, payloadFormat, ...template } = request;
  return create(ScheduledJobSchema, { ...template, $typeName: "gotaskq.v1.ScheduledJob" });
}

/** What is not said is left out, so that it can be used for another schedule. */
function fromTemplate(job: ScheduledJobPb): ScheduledJob {
  const { type, priority, maxRetries, backoff, timeout, ttl, key, unique, metadata } = job;
  const payload = readContent(fromPayloadKind(job.payloadKind));
  return {
    type,
    ...(payload !== undefined && { payload }),
    ...(priority !== 0 && { priority }),
    ...(maxRetries !== undefined && { maxRetries }),
    ...(backoff && { backoff: fromBackoff(backoff) }),
    ...(timeout && { timeoutMs: durationMs(timeout) }),
    ...(ttl && { ttlMs: durationMs(ttl) }),
    ...(key !== "" && { key }),
    ...(unique && {
      unique: {
        key: unique.key,
        ...(unique.until > 0 && { until: UniqueUntilPb[unique.until] as UniqueUntil }),
        ...(unique.hold && { holdMs: durationMs(unique.hold) }),
        ...(unique.onConflict > 0 && { onConflict: UniqueConflictPb[unique.onConflict] as UniqueConflict }),
      },
    }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}
