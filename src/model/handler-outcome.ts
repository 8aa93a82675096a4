import { errorText } from "./describe-error.js";
import { guarded } from "./guarded.js";
import type { Payload } from "./job.js";
import { LIMITS } from "./limits.js";
import type { RetryDecision } from "./outcome.js";
import { toJsonText } from "./text.js";
import { checkPayload } from "./validate.js";
import { Violations } from "./violations.js";

/** Returns a handler's return value as a result to store. Throws if it is not JSON, too large or nested too deep. */
export function toResult(value: unknown): Payload | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return checked(value);
  let json: string | undefined;
  try {
    json = toJsonText(value);
  } catch (error) {
    throw new Error(`the result cannot be written as JSON: ${errorText(error)}`);
  }
  return json === undefined ? undefined : checked(json);
}

function checked(result: Payload): Payload {
  const violations = new Violations();
  checkPayload(violations, "result", result);
  violations.throwIfAny();
  return result;
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
    const afterMs = Number((error as { readonly retryAfterMs?: unknown }).retryAfterMs);
    if (afterMs >= 0) return { afterMs: Math.min(Math.ceil(afterMs), LIMITS.delayMs) };
  }
  return "DEFAULT";
}
