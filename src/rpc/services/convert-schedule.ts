import { create } from "@bufbuild/protobuf";
import {
  PayloadFormat,
  UniqueConflict as UniqueConflictPb,
  type Unique as UniquePb,
  UniqueSchema,
  UniqueUntil as UniqueUntilPb,
} from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequest } from "../../../gen/gotaskq/v1/job_service_pb.js";
import {
  MisfirePolicy as MisfirePolicyPb,
  OverlapPolicy as OverlapPolicyPb,
  type ScheduledJob as ScheduledJobPb,
  ScheduledJobSchema,
  type Schedule as SchedulePb,
  ScheduleSchema,
  ScheduleSkipSchema,
  ScheduleState as ScheduleStatePb,
  SkipReason as SkipReasonPb,
} from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import type { UniqueRequest } from "../../model/job/unique.js";
import type {
  MisfirePolicy,
  OverlapPolicy,
  ScheduledJob,
  ScheduleRequest,
  ScheduleTimesRequest,
  ScheduleView,
} from "../../model/request/schedule.js";
import { Violations } from "../../model/request/violations.js";
import { fromBackoff, toJobRequest, toMs, toTime } from "./convert.js";
import { fromPayload } from "./convert-payload.js";
import { fromDuration, fromMs, fromTime } from "./times.js";

/** Converts a schedule to create; what cannot be converted is added to `violations`. `path`: what the names of bad fields begin with. */
export function toScheduleRequest(violations: Violations, path: string, schedule: SchedulePb): ScheduleRequest {
  const { queue, name, job = create(ScheduledJobSchema), paused } = schedule;
  return {
    ...toScheduleTimes(violations, path, schedule),
    queue,
    name,
    job: toTemplate(violations, `${path}job.`, job),
    overlap: toOverlap(violations, `${path}overlap`, schedule.overlap),
    misfire: toMisfire(violations, `${path}misfire`, schedule.misfire),
    jitterMs: toMs(violations, `${path}jitter`, schedule.jitter),
    paused,
  };
}

/** Converts what decides the times of a schedule. */
export function toScheduleTimes(violations: Violations, path: string, schedule: SchedulePb): ScheduleTimesRequest {
  const { spec, timeZone, startsAt, endsAt, maxRuns } = schedule;
  return {
    cron: spec.case === "cron" ? spec.value : undefined,
    everyMs: spec.case === "every" ? toMs(violations, `${path}every`, spec.value) : undefined,
    timeZone: timeZone || undefined,
    startsAt: toTime(violations, `${path}startsAt`, startsAt),
    endsAt: toTime(violations, `${path}endsAt`, endsAt),
    maxRuns: maxRuns === 0 ? undefined : maxRuns,
  };
}

function toOverlap(violations: Violations, field: string, overlap: OverlapPolicyPb): OverlapPolicy | undefined {
  if (overlap === OverlapPolicyPb.UNSPECIFIED) return undefined;
  const name = OverlapPolicyPb[overlap] as OverlapPolicy | undefined;
  if (name === undefined) violations.add(field, `is not a policy: ${overlap}`);
  return name;
}

function toMisfire(violations: Violations, field: string, misfire: MisfirePolicyPb): MisfirePolicy | undefined {
  if (misfire === MisfirePolicyPb.UNSPECIFIED) return undefined;
  const name = MisfirePolicyPb[misfire] as MisfirePolicy | undefined;
  if (name === undefined) violations.add(field, `is not a policy: ${misfire}`);
  return name;
}

/** Converts a schedule to its message, with the payload of its jobs as text or not. */
export function fromSchedule(schedule: ScheduleView, isText: boolean): SchedulePb {
  const { cron, everyMs, startsAt, endsAt, maxRuns, jitterMs, lastSkip, lastJobId, runs } = schedule;
  const { queue, name, timeZone, paused, revision, queuePaused } = schedule;
  const message = create(ScheduleSchema, { queue, name, timeZone, paused, revision, queuePaused });
  if (everyMs !== undefined) message.spec = { case: "every", value: fromDuration(everyMs) };
  else if (cron !== undefined) message.spec = { case: "cron", value: cron };
  message.job = fromTemplate(schedule.job, isText);
  message.overlap = OverlapPolicyPb[schedule.overlap];
  message.misfire = MisfirePolicyPb[schedule.misfire];
  message.state = ScheduleStatePb[schedule.state];
  message.createdAt = fromMs(schedule.createdAt);
  message.updatedAt = fromMs(schedule.updatedAt);
  setTimes(message, { startsAt, endsAt, nextRunAt: schedule.nextRunAt, lastRunAt: schedule.lastRunAt });
  if (maxRuns !== undefined) message.maxRuns = maxRuns;
  if (jitterMs > 0) message.jitter = fromDuration(jitterMs);
  if (lastJobId !== undefined) message.lastJobId = lastJobId;
  message.runs = BigInt(runs);
  if (lastSkip !== undefined) {
    const { at, reason } = lastSkip;
    message.lastSkip = create(ScheduleSkipSchema, { time: fromMs(at), reason: SkipReasonPb[reason] });
  }
  return message;
}

type OptionalTime = "startsAt" | "endsAt" | "nextRunAt" | "lastRunAt";

function setTimes(message: SchedulePb, times: Readonly<Record<OptionalTime, number | undefined>>): void {
  for (const [field, ms] of Object.entries(times)) {
    const time = fromTime(ms);
    if (time !== undefined) message[field as OptionalTime] = time;
  }
}

function toTemplate(violations: Violations, path: string, job: ScheduledJobPb): ScheduledJob {
  const part = new Violations();
  const at = { case: undefined };
  const request: CreateJobRequest = {
    ...job,
    $typeName: "gotaskq.v1.CreateJobRequest",
    queue: "",
    requestId: "",
    schedule: at,
    payloadFormat: PayloadFormat.UNSPECIFIED,
  };
  const { queue, requestId, ...template } = toJobRequest(part, request, undefined);
  violations.addPart(path, part);
  return template;
}

function fromTemplate(job: ScheduledJob, isText: boolean): ScheduledJobPb {
  const { type, priority = 0, maxRetries, backoff, timeoutMs, ttlMs, key = "", metadata } = job;
  const message = create(ScheduledJobSchema, { type, priority, key, metadata: { ...metadata } });
  message.payloadKind = fromPayload(job.payload, isText);
  if (maxRetries !== undefined) message.maxRetries = maxRetries;
  if (backoff !== undefined) message.backoff = fromBackoff(backoff);
  if (job.unique !== undefined) message.unique = fromUniqueRequest(job.unique);
  if (timeoutMs !== undefined) message.timeout = fromDuration(timeoutMs);
  if (ttlMs !== undefined) message.ttl = fromDuration(ttlMs);
  return message;
}

function fromUniqueRequest({ key, until, holdMs, onConflict }: UniqueRequest): UniquePb {
  const message = create(UniqueSchema, { key });
  if (until !== undefined) message.until = UniqueUntilPb[until];
  if (onConflict !== undefined) message.onConflict = UniqueConflictPb[onConflict];
  if (holdMs !== undefined) message.hold = fromDuration(holdMs);
  return message;
}
