/** What JSON cannot carry, and where it is. */
export interface JsonLoss {
  /** What it is, as in `a Map`. */
  readonly what: string;
  /** Path to it: "" for the value itself, or as in `.items[3]`. */
  readonly path: string;
}

/** What counts as a loss. */
export interface LossRules {
  /** Whether to look into what `toJSON` returns too, which calls it again. */
  readonly isExact: boolean;
  /**
   * Whether all that is written as something else counts: `NaN` and infinities, which become null, functions and symbols, which are left
   * out, and undefined in a list. A property that is undefined is left out without a loss: whoever reads it finds undefined.
   */
  readonly isStrict: boolean;
}

/** Most values looked at, and how deep: more than a result has that is small enough to be kept. */
const MAX_VALUES = 2 ** 20;
const MAX_DEPTH = 100;

/** Most characters of a path. */
const PATH_LENGTH = 200;

/** Classes whose contents JSON leaves out, or writes as something else, even when it writes some fields of theirs. By `Object.prototype.toString`. */
const LOST = new Set(["Map", "Set", "WeakMap", "WeakSet", "RegExp", "Promise", "Error", "RawJson"]);

/** Classes that JSON writes whole, even when they have no fields. */
const WHOLE = new Set(["Object", "Arguments", "String", "Number", "Boolean"]);

/**
 * Whether a value is made of nothing but what JSON writes as it is: then nothing is lost of it, by any rules. Fast, for the many values that
 * are; false: it may be so all the same.
 */
export function isPlainJson(value: unknown, depthLeft = MAX_DEPTH): boolean {
  if (typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object") return false;
  if (value === null) return true;
  if (depthLeft === 0) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) if (!isPlainJson(value[at], depthLeft - 1)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Date.prototype) return !Number.isNaN((value as Date).getTime());
  if (prototype !== Object.prototype) return false;
  for (const name in value) {
    const item = (value as Record<string, unknown>)[name];
    if (item !== undefined && !isPlainJson(item, depthLeft - 1)) return false;
  }
  return true;
}

/**
 * Finds the first thing in a value whose contents JSON leaves out without a word: a Map, a Set, a RegExp, a Promise, an
 * Error, or any other built-in object that JSON writes as `{}`; bytes, of which it makes an object; or a BigInt, which JSON refuses; and
 * what else the rules say. Undefined when there is none. May throw what a getter throws.
 */
export function findJsonLoss(value: unknown, { isExact, isStrict }: LossRules): JsonLoss | undefined {
  let left = MAX_VALUES;
  const keys: (string | number)[] = [];

  function visit(given: unknown, isInList: boolean): string | undefined {
    switch (typeof given) {
      case "string":
      case "boolean":
        return undefined;
      case "number":
        return isStrict && !Number.isFinite(given) ? String(given) : undefined;
      case "bigint":
        return hasToJson(given) ? undefined : "a BigInt";
      case "undefined":
        return isStrict && isInList ? "undefined" : undefined;
      case "symbol":
        return isStrict ? "a symbol" : undefined;
      case "function":
        return isStrict && !hasToJson(given) ? "a function" : undefined;
      default:
        return given === null || given === undefined || left < 0 || keys.length > MAX_DEPTH
          ? undefined
          : visitObject(given);
    }
  }

  function visitObject(given: object): string | undefined {
    if (Array.isArray(given)) return hasToJson(given) ? visitWritten(given) : visitList(given);
    const isPlain = Object.getPrototypeOf(given) === Object.prototype;
    if (!isPlain && (ArrayBuffer.isView(given) || given instanceof ArrayBuffer)) return withArticle(typeOf(given));
    if (hasToJson(given)) return visitWritten(given);
    return visitFields(given, isPlain);
  }

  /** Looks at what is written in the place of an object. */
  function visitWritten(given: object & { toJSON(key: string): unknown }): string | undefined {
    // A Date is written as text, or as null.
    if (given instanceof Date && given.toJSON === Date.prototype.toJSON) {
      return isStrict && Number.isNaN(given.getTime()) ? "an invalid Date" : undefined;
    }
    if (!isExact) return undefined;
    const key = keys.at(-1);
    const written: unknown = given.toJSON(String(key ?? ""));
    // An object that returns itself is written as it is.
    if (written === given) return Array.isArray(given) ? visitList(given) : visitFields(given, false);
    return visit(written, typeof key === "number");
  }

  function visitList(given: readonly unknown[]): string | undefined {
    left -= given.length;
    if (left < 0) return undefined;
    for (let at = 0; at < given.length; at++) {
      const item: unknown = given[at];
      if (typeof item === "string") continue;
      keys.push(at);
      const found = visit(item, true);
      if (found !== undefined) return found;
      keys.pop();
    }
    return undefined;
  }

  function visitFields(given: object, isPlain: boolean): string | undefined {
    const type = isPlain ? "Object" : typeOf(given);
    if (LOST.has(type)) return withArticle(type);
    const names = Object.keys(given);
    if (names.length === 0) return WHOLE.has(type) ? undefined : withArticle(type);
    left -= names.length;
    if (left < 0) return undefined;
    for (const name of names) {
      const item = (given as Record<string, unknown>)[name];
      if (typeof item === "string") continue;
      keys.push(name);
      const found = visit(item, false);
      if (found !== undefined) return found;
      keys.pop();
    }
    return undefined;
  }

  const what = visit(value, false);
  return what === undefined ? undefined : { what, path: pathOf(keys) };
}

/** What a message says of a loss; `root`: what it calls the value, as in `result`. */
export function lossText({ what, path }: JsonLoss, root: string): string {
  return path === "" ? `it is ${what}` : `it has ${what} (at ${root}${path})`;
}

function typeOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function withArticle(type: string): string {
  return `${/^[AEIO]/.test(type) ? "an" : "a"} ${type}`;
}

function hasToJson(value: unknown): value is { toJSON(key: string): unknown } {
  return typeof (value as { readonly toJSON?: unknown }).toJSON === "function";
}

function pathOf(keys: readonly (string | number)[]): string {
  let path = "";
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`;
    else path += /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    if (path.length > PATH_LENGTH) return `${path.slice(0, PATH_LENGTH)}…`;
  }
  return path;
}
