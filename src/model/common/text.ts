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

const LETTER_D = 0x64;
const LETTER_U = 0x75;
/** Sets what tells a small letter from a capital one. */
const SMALL = 0x20;
/** The second digits of surrogates: 8 to b are first halves of pairs, c to f second ones. */
const FIRST_HALF = "89abAB";
const SECOND_HALF = "cdefCDEF";

/**
 * Whether a JSON text has the escape of one half of a surrogate pair without the other, which protobuf strings cannot contain.
 * Whatever wrote the text: JSON.stringify writes escapes of lone halves only, others also of pairs.
 */
export function hasLoneSurrogate(json: string): boolean {
  if (!json.includes("\\u")) return false;
  /** Where the escape of a first half ended; negative: none did. */
  let open = -1;
  for (let at = json.indexOf("\\"), next = 0; at >= 0; at = json.indexOf("\\", next)) {
    const isUnicode = json.charCodeAt(at + 1) === LETTER_U;
    next = at + (isUnicode ? 6 : 2);
    const digit = isUnicode && (json.charCodeAt(at + 2) | SMALL) === LETTER_D ? json.charAt(at + 3) : "";
    const isSecond = digit !== "" && SECOND_HALF.includes(digit);
    if (isSecond ? open !== at : open >= 0) return true;
    open = digit !== "" && FIRST_HALF.includes(digit) ? next : -1;
  }
  return open >= 0;
}

/** The escape that JSON.stringify writes for a lone surrogate. */
const LONE_SURROGATE = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/gi;

/** Returns a JSON text that JSON.stringify wrote with each lone surrogate replaced by U+FFFD. */
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
