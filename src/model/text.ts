/** Node's Buffer; undefined in browsers, which have none. */
const nodeBuffer = (
  globalThis as {
    readonly Buffer?: { byteLength(text: string): number; from(text: string): { toString(): string } };
  }
).Buffer;

/** Returns the length of a text in UTF-8 bytes. */
export function utf8Length(text: string): number {
  return nodeBuffer === undefined ? new TextEncoder().encode(text).byteLength : nodeBuffer.byteLength(text);
}

/** Returns the first `length` characters. In Node they are a copy, as a slice would keep the whole text in memory. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  const start = text.slice(0, length);
  return nodeBuffer === undefined ? start : nodeBuffer.from(start).toString();
}

/**
 * Returns the JSON text of a value, with each lone surrogate replaced by U+FFFD; undefined for a value that JSON omits:
 * undefined, a function, a symbol. Throws, as JSON.stringify does, for a value that cannot be written as JSON.
 */
export function toJsonText(value: unknown): string | undefined {
  const json: string | undefined = JSON.stringify(value);
  return json === undefined ? undefined : toWellFormedJson(json);
}

/** The escape that JSON.stringify writes for a lone surrogate, which protobuf strings cannot contain. */
const LONE_SURROGATE = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/gi;

/** Whether a JSON text written by JSON.stringify contains a lone surrogate. */
export function hasLoneSurrogate(json: string): boolean {
  return json.includes("\\u") && json.search(LONE_SURROGATE) >= 0;
}

/** Returns the JSON text with each lone surrogate replaced by U+FFFD. */
export function toWellFormedJson(json: string): string {
  return hasLoneSurrogate(json) ? json.replace(LONE_SURROGATE, "$1\\ufffd") : json;
}

/** Whether a JSON text has more than `max` opening brackets: a quick check that rules most texts out. */
export function mayBeDeeper(json: string, max: number): boolean {
  let left = max;
  for (const bracket of ["{", "["]) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) if (--left < 0) return true;
  }
  return false;
}

/** Returns how deep the arrays and objects of a JSON text are nested. */
export function jsonDepth(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x5d || code === 0x7d) depth--;
  }
  return deepest;
}

/** Whether a JSON text is nested deeper than `max`. */
export function isDeeper(json: string, max: number): boolean {
  return mayBeDeeper(json, max) && jsonDepth(json) > max;
}
