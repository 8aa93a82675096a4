import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type JobCompletion, type JobFailure, Retry } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { errorText } from "../../model/describe-error.js";
import { retryDecision } from "../../model/handler-outcome.js";
import type { RetryDecision } from "../../model/outcome.js";
import { toPayloadKind } from "../json.js";

/** How an attempt ended, as it is sent to the server. `bytes` is about the size of the result. */
export type AttemptOutcome =
  | { readonly kind: "complete"; readonly resultKind: JobCompletion["resultKind"]; readonly bytes: number }
  | { readonly kind: "fail"; readonly error: string; readonly retryKind: JobFailure["retryKind"] }
  | { readonly kind: "release" };

const NOTHING: AttemptOutcome = { kind: "complete", resultKind: { case: undefined }, bytes: 0 };

/** The outcome of an attempt whose handler returned `value`. Throws FIELD_INVALID when that has no JSON. */
export function completed(value: unknown): AttemptOutcome {
  if (value === undefined || typeof value === "function" || typeof value === "symbol") return NOTHING;
  const resultKind = toPayloadKind("result", value, "result", "resultBytes");
  const bytes = value instanceof Uint8Array ? value.byteLength : JSON.stringify(value).length * 2;
  return { kind: "complete", resultKind, bytes };
}

/** The outcome of an attempt whose handler threw `error`. */
export function failed(error: unknown): AttemptOutcome {
  return { kind: "fail", error: errorText(error), retryKind: toRetryKind(retryDecision(error)) };
}

function toRetryKind(decision: RetryDecision): JobFailure["retryKind"] {
  if (decision === "DEFAULT") return { case: undefined };
  if (decision === "NEVER") return { case: "retry", value: Retry.NEVER };
  return { case: "retryAfter", value: durationFromMs(decision.afterMs) };
}
