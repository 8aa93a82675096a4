/** Node's Buffer, where there is one; browsers have none. */
const nodeBuffer = (
  globalThis as {
    readonly Buffer?: { byteLength(text: string): number; from(text: string): { toString(): string } };
  }
).Buffer;

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  return nodeBuffer === undefined ? new TextEncoder().encode(text).byteLength : nodeBuffer.byteLength(text);
}

/** The first `length` characters of a text. In Node they are a copy: a slice would keep the whole text alive. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  const start = text.slice(0, length);
  return nodeBuffer === undefined ? start : nodeBuffer.from(start).toString();
}

/**
 * The JSON text of a value, with each half of a surrogate pair replaced by U+FFFD; undefined for a value that JSON leaves
 * out: undefined, a function, a symbol. Throws an error that says why a value has no JSON.
 */
export function toJsonText(value: unknown): string | undefined {
  const json: string | undefined = JSON.stringify(value);
  return json === undefined ? undefined : toWellFormedJson(json);
}

/** JSON.stringify writes half of a surrogate pair as an escape, and protobuf cannot carry it. */
const LONE_SURROGATE = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/gi;

/** Whether a JSON text as JSON.stringify writes it has half of a surrogate pair in it. */
export function hasLoneSurrogate(json: string): boolean {
  return json.includes("\\u") && json.search(LONE_SURROGATE) >= 0;
}

/** The JSON text with each half of a surrogate pair replaced by U+FFFD. */
export function toWellFormedJson(json: string): string {
  return hasLoneSurrogate(json) ? json.replace(LONE_SURROGATE, "$1\\ufffd") : json;
}

/** Whether a JSON text may be nested deeper than `max`: a quick look at the number of brackets that most texts pass. */
export function mayBeDeeper(json: string, max: number): boolean {
  let left = max;
  for (const bracket of ["{", "["]) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) if (--left < 0) return true;
  }
  return false;
}

/** How deep the arrays and objects of a JSON text are nested. */
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
