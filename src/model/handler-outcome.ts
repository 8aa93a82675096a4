import type { Payload } from "./job.js";
import { LIMITS } from "./limits.js";
import type { RetryDecision } from "./outcome.js";
import { cutText, toJsonText } from "./text.js";
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

/** Returns the text of what a handler threw, cut to the length that is stored with the job. Never throws. */
export function errorText(error: unknown): string {
  let text: string;
  try {
    // `message` need not be a string: code can assign anything to it.
    text = String(error instanceof Error ? error.message || error.name : error);
  } catch {
    text = "the handler threw something that has no text";
  }
  return cutText(text, LIMITS.errorLength).toWellFormed();
}

/**
 * Returns whether and when to retry, given what a handler threw. Decides by the name of the error and not by its class,
 * because handlers may load their own copy of this package. Fractions of a ms are rounded up, as in every stored
 * duration.
 */
export function retryDecision(error: unknown): RetryDecision {
  const name = error instanceof Error ? error.name : "";
  if (name === "PermanentError") return "NEVER";
  if (name === "RetryAfterError") {
    const afterMs = Number((error as { readonly retryAfterMs?: unknown }).retryAfterMs);
    if (afterMs >= 0) return { afterMs: Math.min(Math.ceil(afterMs), LIMITS.delayMs) };
  }
  return "DEFAULT";
}
