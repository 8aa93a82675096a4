import { errorText } from "./describe-error.js";
import { fieldInvalid } from "./errors.js";
import { isBytes } from "./guarded.js";
import type { Payload } from "./job.js";

/** Converts what a program gives as a payload. Throws FIELD_INVALID, naming the field, for what has no JSON. */
export function toPayload(payload: unknown, field: string): Payload | undefined {
  if (payload === undefined) return undefined;
  // A copy: the caller may go on to use its bytes for something else.
  return isBytes(payload) ? new Uint8Array(payload) : toText(payload, field);
}

function toText(payload: unknown, field: string): string {
  let text: string | undefined;
  let problem = "it has none";
  try {
    text = JSON.stringify(payload);
  } catch (error) {
    problem = errorText(error);
  }
  if (text !== undefined) return text;
  throw fieldInvalid([{ field, description: `cannot be written as JSON: ${problem}` }]);
}
