import { errorText } from "../common/describe-error.js";
import { fieldInvalid } from "../common/errors.js";
import { guarded, isBytes, isInstance } from "../common/guarded.js";
import { findJsonLoss, isPlainJson, lossText } from "../common/json-loss.js";
import { LIMITS } from "../common/limits.js";
import type { Payload } from "../job/job.js";
import { RawJson } from "../job/raw-json.js";
import { ILL_FORMED, surrogateProblem } from "./validate.js";

/**
 * Converts what a program gives as a payload: bytes, a value that is written as JSON, or a `RawJson`. Nothing of it changes without a word. Throws
 * FIELD_INVALID, naming the field and where in it, for what has no JSON, or would be written as something else; see the table in the
 * README of the client.
 */
export function toPayload(payload: unknown, field: string): Payload | undefined {
  if (payload === undefined) return undefined;
  if (isInstance(payload, RawJson)) return rawText(payload, field);
  // A copy: the caller may go on to use its bytes for something else.
  return isBytes(payload) ? new Uint8Array(payload) : toText(payload, field);
}

function rawText(raw: RawJson, field: string): string {
  const problem = rawJsonProblem(raw);
  if (problem !== undefined) throw fieldInvalid([{ field, description: problem }]);
  return raw.text;
}

/** What is wrong with a text that is to go as it is; undefined: nothing. The server looks at it more closely. */
export function rawJsonProblem({ text }: RawJson): string | undefined {
  if (typeof text !== "string") return "is not JSON text";
  try {
    // One that is too large is refused for that.
    if (text.length <= LIMITS.payloadBytes) JSON.parse(text);
  } catch (error) {
    return `is not JSON: ${errorText(error)}`;
  }
  return text.isWellFormed() ? surrogateProblem(text) : ILL_FORMED;
}

const RULES = { isExact: true, isStrict: true };

function toText(payload: unknown, field: string): string {
  let problem: string | undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(payload);
    // One that is too large is refused for that.
    const isSmall = text === undefined || text.length <= LIMITS.payloadBytes;
    if (isSmall && !isPlainJson(payload)) problem = lossOf(payload);
  } catch (error) {
    // JSON does not say where a BigInt is.
    problem = guarded(() => lossOf(payload), undefined) ?? errorText(error);
  }
  if (text === undefined) problem ??= "it has none";
  if (problem !== undefined) throw fieldInvalid([{ field, description: `cannot be written as JSON: ${problem}` }]);
  const lone = surrogateProblem(text as string);
  if (lone !== undefined) throw fieldInvalid([{ field, description: lone }]);
  return text as string;
}

function lossOf(payload: unknown): string | undefined {
  const loss = findJsonLoss(payload, RULES);
  return loss && lossText(loss, "payload");
}
