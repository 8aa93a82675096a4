/** What JSON cannot carry, and where it is. */
export interface JsonLoss {
  /** Name of its class, as in `Map`. */
  readonly type: string;
  /** Path to it: "" for the value itself, or as in `.items[3]`. */
  readonly path: string;
}

/** Most values looked at, and how deep: more than a result has that is small enough to be kept. */
const MAX_VALUES = 2 ** 20;
const MAX_DEPTH = 100;

/** Most characters of a path. */
const PATH_LENGTH = 200;

/** Classes whose contents JSON leaves out, even when it writes some fields of theirs. By `Object.prototype.toString`. */
const LOST = new Set(["Map", "Set", "WeakMap", "WeakSet", "RegExp", "Promise", "Error"]);

/** Classes that JSON writes whole, even when they have no fields. */
const WHOLE = new Set(["Object", "Arguments", "String", "Number", "Boolean"]);

/**
 * Finds the first thing in a value whose contents JSON leaves out without a word: a Map, a Set, a RegExp, a Promise, an
 * Error, or any other built-in object that JSON writes as `{}`; or a BigInt, which JSON refuses. Undefined when there is
 * none. May throw what a getter throws.
 *
 * @param isExact whether to look into what `toJSON` returns too, which calls it again
 */
export function findJsonLoss(value: unknown, isExact: boolean): JsonLoss | undefined {
  let left = MAX_VALUES;
  const keys: (string | number)[] = [];

  function visit(given: unknown): string | undefined {
    if (typeof given === "bigint") return hasToJson(given) ? undefined : "BigInt";
    if (typeof given !== "object" || given === null || left < 0 || keys.length > MAX_DEPTH) return undefined;
    if (hasToJson(given)) {
      if (!isExact) return undefined;
      const written: unknown = given.toJSON(String(keys.at(-1) ?? ""));
      // An object that returns itself is written as it is.
      if (written !== given) return visit(written);
    }
    if (Array.isArray(given)) {
      left -= given.length;
      if (left < 0) return undefined;
      for (let at = 0; at < given.length; at++) {
        const item: unknown = given[at];
        if (typeof item !== "object" && typeof item !== "bigint") continue;
        keys.push(at);
        const found = visit(item);
        if (found !== undefined) return found;
        keys.pop();
      }
      return undefined;
    }
    return visitFields(given);
  }

  function visitFields(given: object): string | undefined {
    const isPlain = Object.getPrototypeOf(given) === Object.prototype;
    const type = isPlain ? "Object" : Object.prototype.toString.call(given).slice(8, -1);
    if (LOST.has(type)) return type;
    // Those are written as objects of their elements.
    if (type.endsWith("Array")) return undefined;
    const names = Object.keys(given);
    if (names.length === 0) return WHOLE.has(type) ? undefined : type;
    left -= names.length;
    if (left < 0) return undefined;
    for (const name of names) {
      const item = (given as Record<string, unknown>)[name];
      if (typeof item !== "object" && typeof item !== "bigint") continue;
      keys.push(name);
      const found = visit(item);
      if (found !== undefined) return found;
      keys.pop();
    }
    return undefined;
  }

  const type = visit(value);
  return type === undefined ? undefined : { type, path: pathOf(keys) };
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
