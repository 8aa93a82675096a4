import {
  type Job as JobPb,
  UniqueConflict,
  type Unique as UniquePb,
  UniqueUntil,
} from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequest } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { Job } from "../../api/job.js";
import { DEFAULT_QUEUE } from "../../model/queue/queue.js";
import { fromJob } from "../convert/job.js";

/**
 * The job that a create of several answered. Of one that it has made, the server leaves out what the request says; nothing of it is
 * shared with the request.
 */
export function createdJob(request: CreateJobRequest, answered: JobPb, deduplicated: boolean): Job {
  // Of one that was there, callers who may not read it are told no more than its id and status.
  if (answered.type === "" && !deduplicated) fill(answered, request);
  return fromJob(answered);
}

function fill(job: JobPb, { queue, type, payloadKind, priority, metadata, unique, key }: CreateJobRequest): void {
  job.queue = queue || DEFAULT_QUEUE;
  job.type = type;
  job.payloadKind = payloadKind;
  job.priority = priority;
  job.metadata = { ...metadata };
  job.key = key;
  if (unique !== undefined) job.unique = { ...unique, until: untilOf(unique) };
}

/** Until when a job holds its key, by default as the server has it. */
function untilOf({ until, onConflict }: UniquePb): UniqueUntil {
  if (until !== UniqueUntil.UNSPECIFIED) return until;
  return onConflict === UniqueConflict.REPLACE ? UniqueUntil.STARTED : UniqueUntil.FINISHED;
}
