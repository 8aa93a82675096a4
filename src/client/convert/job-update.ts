import { create } from "@bufbuild/protobuf";
import { type UpdateJobRequest, UpdateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { fieldInvalid } from "../../model/common/errors.js";
import type { JobUpdate } from "../../model/job/new-job.js";
import { converters } from "./converters.js";
import { toPayloadKind } from "./json.js";

/** Converts it for a request. Throws FIELD_INVALID for values that a message cannot carry; the server checks the rest. */
export function toUpdateRequest(id: string, changes: JobUpdate): UpdateJobRequest {
  const { priority, delayMs, runAfter, payload } = changes;
  if (delayMs !== undefined && runAfter !== undefined) {
    throw fieldInvalid([{ field: "delayMs", description: "cannot be set together with runAfter" }]);
  }
  const { int, duration, time } = converters();
  const request = create(UpdateJobRequestSchema, {
    id,
    payloadKind: toPayloadKind("payload", payload),
  });
  if (priority !== undefined) request.priority = int("priority", priority);
  if (delayMs !== undefined) request.schedule = { case: "delay", value: duration("delayMs", delayMs) };
  if (runAfter !== undefined) request.schedule = { case: "runAfter", value: time("runAfter", runAfter) };
  return request;
}
