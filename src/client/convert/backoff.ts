import { create } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { type Backoff as BackoffPb, BackoffSchema } from "../../../gen/gotaskq/v1/job_pb.js";
import type { BackoffRequest } from "../../model/job/backoff.js";
import type { Backoff } from "../../model/job/job.js";
import { lengthOf } from "./times.js";

/**
 * Converts a backoff that is asked for; the server checks it.
 *
 * @param duration converts ms, and throws FIELD_INVALID with this name of the field for what is no number
 */
export function toBackoff(backoff: BackoffRequest, duration: (field: string, ms: number) => Duration): BackoffPb {
  const { baseDelayMs, maxDelayMs, multiplier, delaysMs = [] } = backoff;
  const message = create(BackoffSchema, {
    delays: delaysMs.map((ms, at) => duration(`backoff.delaysMs[${at}]`, ms)),
  });
  if (baseDelayMs !== undefined) message.baseDelay = duration("backoff.baseDelayMs", baseDelayMs);
  if (maxDelayMs !== undefined) message.maxDelay = duration("backoff.maxDelayMs", maxDelayMs);
  // As a number, whatever it is: the server refuses what is none.
  if (multiplier !== undefined) message.multiplier = Number(multiplier);
  return message;
}

/** Converts the backoff of a job from its message. */
export function fromBackoff(backoff: BackoffPb | undefined): Backoff {
  const { baseDelay, maxDelay, multiplier, delays = [] } = backoff ?? {};
  if (delays.length > 0) return { delaysMs: delays.map(durationMs) };
  const growing = {
    baseDelayMs: lengthOf(baseDelay) ?? 0,
    maxDelayMs: lengthOf(maxDelay) ?? 0,
  };
  return multiplier === undefined ? growing : { ...growing, multiplier };
}
