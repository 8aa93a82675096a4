import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import { type JobCompletion, type JobFailure, Retry } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { errorText } from "../../model/common/describe-error.js";
import { retryDecision, snoozeDelay, writeResult } from "../../model/handler/handler-outcome.js";
import type { RetryDecision } from "../../model/job/outcome.js";

/** How an attempt ended, as it is sent to the server. `bytes`: what the result takes at the most. */
export type AttemptOutcome =
  | { readonly kind: "complete"; readonly resultKind: JobCompletion["resultKind"]; readonly bytes: number }
  | { readonly kind: "fail"; readonly error: string; readonly retryKind: JobFailure["retryKind"] }
  /** With a delay the job waits for that long. */
  | { readonly kind: "release"; readonly delay?: Duration };

const NOTHING: AttemptOutcome = { kind: "complete", resultKind: { case: undefined }, bytes: 0 };

/** The outcome of an attempt whose handler returned `value`. Throws an error that says why that has no JSON. */
export function completed(value: unknown): AttemptOutcome {
  const result = writeResult(value);
  if (result === undefined) return NOTHING;
  if (typeof result !== "string") {
    const resultKind = { case: "resultBytes" as const, value: result as Uint8Array<ArrayBuffer> };
    return { kind: "complete", resultKind, bytes: result.byteLength };
  }
  return { kind: "complete", resultKind: { case: "resultJson", value: result }, bytes: result.length * 3 };
}

/** The outcome of an attempt whose handler threw `error`. */
export function failed(error: unknown): AttemptOutcome {
  const delayMs = snoozeDelay(error);
  if (delayMs !== undefined) return { kind: "release", delay: durationFromMs(delayMs) };
  return { kind: "fail", error: errorText(error), retryKind: toRetryKind(retryDecision(error)) };
}

function toRetryKind(decision: RetryDecision): JobFailure["retryKind"] {
  if (decision === "DEFAULT") return { case: undefined };
  if (decision === "NEVER") return { case: "retry", value: Retry.NEVER };
  return { case: "retryAfter", value: durationFromMs(decision.afterMs) };
}
