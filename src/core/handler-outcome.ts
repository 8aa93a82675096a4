import type { RetryDecision } from "./backend.js";
import { PermanentError, RetryAfterError } from "./handler.js";
import type { Payload } from "./job.js";
import { LIMITS } from "./limits.js";
import { cutText } from "./text.js";
import { checkPayload, toWellFormedJson, Violations } from "./validate.js";

/** What a handler returned, as a result to store; throws when that cannot be. */
export function toResult(value: unknown): Payload | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return checked(value);
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new Error(`the result cannot be written as JSON: ${errorText(error)}`);
  }
  return json === undefined ? undefined : checked(toWellFormedJson(json));
}

function checked(result: Payload): Payload {
  const found = new Violations();
  checkPayload(found, "result", result);
  found.throwIfAny();
  return result;
}

/** The text of what a handler threw, as it is kept with the job. */
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

/** Whether and when to retry after what a handler threw. Names count too: handlers may have their own copy of us. */
export function retryDecision(error: unknown): RetryDecision {
  if (error instanceof PermanentError || (error instanceof Error && error.name === "PermanentError")) return "NEVER";
  if (error instanceof RetryAfterError || (error instanceof Error && error.name === "RetryAfterError")) {
    const afterMs = Number((error as RetryAfterError).retryAfterMs);
    if (afterMs >= 0) return { afterMs: Math.min(Math.floor(afterMs), LIMITS.delayMs) };
  }
  return "DEFAULT";
}
