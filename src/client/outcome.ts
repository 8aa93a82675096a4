import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type JobCompletion, type JobFailure, Retry } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { toPayloadKind } from "./json.js";

/** Longest text of an error that the server keeps. */
const ERROR_LENGTH = 4096;

/** Longest wait before a retry: a year, in ms. */
const MAX_RETRY_MS = 365 * 86_400_000;

/** How an attempt ended. */
export type Outcome =
  | { readonly kind: "complete"; readonly resultKind: JobCompletion["resultKind"]; readonly bytes: number }
  | { readonly kind: "fail"; readonly error: string; readonly retryKind: JobFailure["retryKind"] }
  | { readonly kind: "release" };

const NOTHING: Outcome = { kind: "complete", resultKind: { case: undefined }, bytes: 0 };

/** What a handler returned. Throws when it has no JSON. */
export function completed(value: unknown): Outcome {
  if (value === undefined || typeof value === "function" || typeof value === "symbol") return NOTHING;
  const resultKind = toPayloadKind("result", value, "result", "resultBytes");
  const bytes = value instanceof Uint8Array ? value.byteLength : JSON.stringify(value).length * 2;
  return { kind: "complete", resultKind, bytes };
}

/** What a handler threw. Names of errors count, not classes: handlers may have their own copy of us. */
export function failed(error: unknown): Outcome {
  const name = error instanceof Error ? error.name : "";
  let retryKind: JobFailure["retryKind"] = { case: undefined };
  if (name === "PermanentError") retryKind = { case: "retry", value: Retry.NEVER };
  if (name === "RetryAfterError") {
    const afterMs = Number((error as { retryAfterMs?: unknown }).retryAfterMs);
    if (afterMs >= 0)
      retryKind = { case: "retryAfter", value: durationFromMs(Math.min(Math.ceil(afterMs), MAX_RETRY_MS)) };
  }
  return { kind: "fail", error: errorText(error), retryKind };
}

function errorText(error: unknown): string {
  try {
    const text = String(error instanceof Error ? error.message || error.name : error);
    return text.slice(0, ERROR_LENGTH).toWellFormed();
  } catch {
    return "the handler threw something that has no text";
  }
}
