import type { Payload } from "./job.js";
import { LIMITS } from "./limits.js";
import type { RetryDecision } from "./outcome.js";
import { cutText, toJsonText } from "./text.js";
import { checkPayload } from "./validate.js";
import { Violations } from "./violations.js";

/** What a handler returned, as a result to store. Throws when it cannot be stored: no JSON, too large, too deep. */
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

/** The text of what a handler threw, as it is kept with the job. Never throws. */
export function errorText(error: unknown): string {
  let text: string;
  try {
    // A message is whatever was assigned to it.
    text = String(error instanceof Error ? error.message || error.name : error);
  } catch {
    text = "the handler threw something that has no text";
  }
  return cutText(text, LIMITS.errorLength).toWellFormed();
}

/**
 * Whether and when to retry after what a handler threw. Names of errors decide, not classes: handlers may have their own
 * copy of this package. A part of a ms counts as one, as in every duration that is kept.
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
