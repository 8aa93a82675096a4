import type { DecodeLimits } from "../decode-error.js";

/** What may stand between a name and its colon, and hardly ever does; and escapes of surrogates, which may be lone. */
const UNUSUAL = [" :", "\n:", "\t:", "\r:", "\\ud", "\\uD"];

/** What ends a name, and what ends one in a text that is JSON itself. */
const NAME_END = '":';
const QUOTED_NAME_END = '\\":';

/** The end of a name that ends with a backslash, which looks like one in a text. */
const BACKSLASH_NAME_END = '\\\\":';

/**
 * Whether no name stands twice in an object of a JSON text, and its values are few, finite and not deep, as far as can be told
 * without a look at each character: names are counted, in the text and in what was made of it. False: it may be so all the same.
 */
export function isOrdinary(text: string, json: unknown, limits: DecodeLimits): boolean {
  for (const part of UNUSUAL) if (text.includes(part)) return false;
  valuesLeft = limits.values;
  const names = countNames(json, limits.depth);
  const ends = countOf(text, NAME_END);
  if (names === ends) return true;
  // Texts in it may be JSON themselves: their names are none of its own.
  return names < ends && !text.includes(BACKSLASH_NAME_END) && names === ends - countOf(text, QUOTED_NAME_END);
}

let valuesLeft = 0;

/** How many names the objects in a value have; NaN when it is too deep, has too many values, or a number that is not finite. */
function countNames(json: unknown, depthLeft: number): number {
  if (--valuesLeft < 0) return Number.NaN;
  if (typeof json === "number") return Number.isFinite(json) ? 0 : Number.NaN;
  if (typeof json !== "object" || json === null) return 0;
  if (depthLeft === 0) return Number.NaN;
  let count = 0;
  if (Array.isArray(json)) for (const item of json) count += countNames(item, depthLeft - 1);
  else for (const name in json) count += 1 + countNames((json as Record<string, unknown>)[name], depthLeft - 1);
  return count;
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}
