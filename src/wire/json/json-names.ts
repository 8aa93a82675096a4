import { pathWithin } from "../decode-error.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const SPACE = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** Names of one object up to which a list is faster to search than a set. */
const FEW_NAMES = 8;

/** An object or array that is being read. */
interface Open {
  /** Names read so far; undefined in an array. */
  names: string[] | undefined;
  /** The same as a set, once there are many. */
  set: Set<string> | undefined;
}

/** A name that stands twice in one object. */
export interface RepeatedName {
  readonly name: string;
  /** Path of the object, as in `requests[3].payload`; "" is the outermost one. */
  readonly path: string;
}

/**
 * Finds the first name that stands twice in one object of a JSON text, which is known to be valid; undefined when there is
 * none. Looks at each character once. JSON.parse would keep the last of such values and drop the others without a word.
 */
export function findRepeatedName(text: string): RepeatedName | undefined {
  const outer: Open[] = [];
  let open: Open | undefined;
  let start = -1;
  let end = -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      start = at;
      at = endOfText(text, at);
      end = at;
    } else if (code === COLON && open !== undefined) {
      const name = nameOf(text, start, end);
      if (isKnown(open, name)) return { name, path: pathOf(stepsTo(text, at).slice(0, -1)) };
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (open !== undefined) outer.push(open);
      open = code === OPEN_BRACE ? { names: [], set: undefined } : { names: undefined, set: undefined };
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) open = outer.pop();
  }
  return undefined;
}

/** Whole numbers of so many digits may be such that a double cannot tell apart. */
const MAYBE_LONG = /[:[,\s]-?\d{16}/;

const NUMBER = /-?(\d+)(\.\d+)?([eE][+-]?\d+)?/y;

/** A whole number that JSON.parse makes another one of. */
export interface LostNumber {
  /** As the text has it. */
  readonly number: string;
  /** Where it stands, as in `requests[3].payload.id`. */
  readonly path: string;
}

/**
 * Finds the first whole number in a JSON text, which is known to be valid and an object, that is another one once it was parsed;
 * undefined when there is none. Looks at each character only where there may be one.
 */
export function findLostNumber(text: string): LostNumber | undefined {
  if (!MAYBE_LONG.test(text)) return undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfText(text, at);
    else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      NUMBER.lastIndex = at;
      const [number = "", digits = "", fraction, exponent] = NUMBER.exec(text) ?? [];
      if (fraction === undefined && exponent === undefined && isLost(digits)) {
        return { number, path: pathOf(stepsTo(text, at)) };
      }
      at += Math.max(number.length, 1) - 1;
    }
  }
  return undefined;
}

/** Whether these digits are others once they were a number. */
function isLost(digits: string): boolean {
  if (digits.length < 16) return false;
  const [written = "", exponent] = String(Number(digits)).split("e+");
  const whole = written.replace(".", "");
  return (exponent === undefined ? whole : whole.padEnd(Number(exponent) + 1, "0")) !== digits;
}

/** The way to a place in a text: the name, or the index, at which it is in each object and array around it, the outermost first. */
function stepsTo(text: string, place: number): (string | number)[] {
  const steps: (string | number)[] = [];
  let start = -1;
  let end = -1;
  for (let at = 0; at < place; at++) {
    const code = text.charCodeAt(at);
    const last = steps.length - 1;
    if (code === QUOTE) {
      start = at;
      at = endOfText(text, at);
      end = at;
    } else if (code === COLON) steps[last] = nameOf(text, start, end);
    else if (code === COMMA) {
      const step = steps[last];
      if (typeof step === "number") steps[last] = step + 1;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) steps.push(code === OPEN_BRACE ? "" : 0);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) steps.pop();
  }
  return steps;
}

function pathOf(steps: readonly (string | number)[]): string {
  return steps.reduce<string>((path, at) => pathWithin(path, typeof at === "number" ? `[${at}]` : at), "");
}

function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return text.length;
}

function nameOf(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end);
  return raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
}

/** Whether the object has the name already; remembers it. */
function isKnown(open: Open, name: string): boolean {
  const { names } = open;
  if (names === undefined) return false;
  if (open.set === undefined && names.length < FEW_NAMES) {
    if (names.includes(name)) return true;
    names.push(name);
    return false;
  }
  open.set ??= new Set(names);
  if (open.set.has(name)) return true;
  open.set.add(name);
  return false;
}

/**
 * How many values a JSON text in UTF-8 has, if it is valid: one for each comma and each array or object outside of texts that
 * is not empty, and the outermost.
 */
export function countJsonValues(bytes: Uint8Array): number {
  let count = 1;
  let last = 0;
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes[at] as number;
    if (code === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
    } else if (code === COMMA || code === OPEN_BRACE || code === OPEN_BRACKET) count++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (last === OPEN_BRACE || last === OPEN_BRACKET) count--;
    } else if (code <= SPACE) continue;
    last = code;
  }
  return count;
}
