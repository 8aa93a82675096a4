import { errorText } from "../common/describe-error.js";
import { guarded, isBytes, isInstance } from "../common/guarded.js";
import { findJsonLoss, type JsonLoss, lossText } from "../common/json-loss.js";
import { LIMITS } from "../common/limits.js";
import { toJsonText } from "../common/text.js";
import type { Payload } from "../job/job.js";
import type { RetryDecision } from "../job/outcome.js";
import { RawJson } from "../job/raw-json.js";
import { rawJsonProblem } from "../request/payload.js";
import { checkPayload } from "../request/validate.js";
import { Violations } from "../request/violations.js";

/** Returns a handler's return value as a result to store. Throws if it is not JSON, too large or nested too deep. */
export function toResult(value: unknown): Payload | undefined {
  const result = writeResult(value);
  if (result === undefined) return undefined;
  const violations = new Violations();
  checkPayload(violations, "result", result);
  violations.throwIfAny();
  return result;
}

/**
 * What a handler returned, as bytes or JSON text of any size; undefined when it returned nothing that JSON has a word for.
 * Throws an error that says what has no JSON and where it is: nothing is left out silently but undefined, functions and
 * symbols.
 */
export function writeResult(value: unknown): Payload | undefined {
  if (value === undefined) return undefined;
  // A copy: the handler may go on to use its bytes for something else.
  if (isBytes(value)) return new Uint8Array(value);
  if (isInstance(value, RawJson)) {
    const problem = rawJsonProblem(value);
    if (problem !== undefined) throw new Error(`the result ${problem}`);
    return value.text;
  }
  let json: string | undefined;
  let loss: JsonLoss | undefined;
  try {
    json = toJsonText(value);
    if (json !== undefined) loss = findJsonLoss(value, { isExact: json.includes("{}"), isStrict: false });
  } catch (error) {
    // JSON does not say where a BigInt is.
    const isBigInt = errorText(error).includes("BigInt");
    if (isBigInt) loss = guarded(() => findJsonLoss(value, { isExact: true, isStrict: false }), undefined);
    if (loss === undefined) throw new Error(`the result cannot be written as JSON: ${errorText(error)}`);
  }
  if (loss !== undefined) throw new Error(`the result cannot be written as JSON: ${lossText(loss, "result")}`);
  return json;
}

/**
 * Whether and when to retry after what a handler threw. Names of errors decide, not classes: handlers may have their own
 * copy of this package. A part of a ms counts as one, as in every duration that is kept. Never throws.
 */
export function retryDecision(error: unknown): RetryDecision {
  return guarded(() => decide(error), "DEFAULT");
}

function decide(error: unknown): RetryDecision {
  const name = error instanceof Error ? error.name : "";
  if (name === "PermanentError") return "NEVER";
  if (name === "RetryAfterError") {
    const afterMs = toDelay((error as { readonly retryAfterMs?: unknown }).retryAfterMs);
    if (afterMs !== undefined) return { afterMs };
  }
  return "DEFAULT";
}

/**
 * For how long a job is to be given back after what its handler threw, ms; undefined: the attempt has failed. The name of the
 * error decides, as for `retryDecision`. Never throws.
 */
export function snoozeDelay(error: unknown): number | undefined {
  return guarded(() => {
    if (!(error instanceof Error) || error.name !== "SnoozeError") return undefined;
    return toDelay((error as { readonly delayMs?: unknown }).delayMs);
  }, undefined);
}

/** Whole ms, a year at the most; undefined for what is no delay. */
function toDelay(value: unknown): number | undefined {
  const ms = Number(value);
  return ms >= 0 ? Math.min(Math.ceil(ms), LIMITS.delayMs) : undefined;
}
