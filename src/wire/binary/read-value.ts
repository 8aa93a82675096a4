import { MalformedError, tooDeep, tooManyInMessage, tooManyValues } from "../decode-error.js";
import { setOwn } from "../fields.js";
import type { ByteSource } from "./byte-source.js";

/** Tags of google.protobuf.Value. */
const NULL = 0x08;
const NUMBER = 0x11;
const STRING = 0x1a;
const BOOL = 0x20;
const STRUCT = 0x2a;
const LIST = 0x32;

/** Tags of the first and second field of what has a length: entries of a list or struct, and key and value of one. */
const FIRST = 0x0a;
const SECOND = 0x12;

const NOTHING = Symbol("nothing");

/** Reads the fields of a google.protobuf.Value up to `end`, as a JSON value. Throws a MalformedError where it is none. */
export function readValue(source: ByteSource, end: number): unknown {
  return new ValueReader(source).value(end, 0);
}

class ValueReader {
  readonly #source: ByteSource;
  #left: number;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#left = source.limits.values;
  }

  value(end: number, depth: number): unknown {
    const source = this.#source;
    if (--this.#left < 0) throw new MalformedError(tooManyValues(source.limits));
    if (--source.valuesLeft < 0) throw new MalformedError(tooManyInMessage(source.limits));
    let value: unknown = NOTHING;
    while (source.at < end) {
      const tag = source.uint32();
      const kind = this.#kind(tag, depth);
      if (kind === NOTHING) source.skip(tag);
      else {
        // The last one wins.
        if (value !== NOTHING) source.isUnusual = true;
        value = kind;
      }
    }
    if (source.at !== end) throw new MalformedError("is cut off");
    if (value === NOTHING) throw new MalformedError("must be a JSON value: no unset value");
    return value;
  }

  #kind(tag: number, depth: number): unknown {
    const source = this.#source;
    switch (tag) {
      case NULL:
        source.uint32();
        return null;
      case NUMBER: {
        const value = source.double();
        if (!Number.isFinite(value)) throw new MalformedError("must be a JSON value: no NaN, no infinity");
        // JSON has no minus zero.
        if (value === 0) source.isUnusual ||= Object.is(value, -0);
        return value === 0 ? 0 : value;
      }
      case STRING:
        return source.text();
      case BOOL:
        return source.bool();
      case STRUCT:
        return this.#struct(source.end(), depth + 1);
      case LIST:
        return this.#list(source.end(), depth + 1);
      default:
        return NOTHING;
    }
  }

  #list(end: number, depth: number): unknown[] {
    const source = this.#source;
    if (depth > source.limits.depth) throw new MalformedError(tooDeep(source.limits));
    const list: unknown[] = [];
    while (source.at < end) {
      const tag = source.uint32();
      if (tag === FIRST) list.push(this.value(source.end(), depth));
      else source.skip(tag);
    }
    if (source.at !== end) throw new MalformedError("is cut off");
    return list;
  }

  #struct(end: number, depth: number): unknown {
    const source = this.#source;
    if (depth > source.limits.depth) throw new MalformedError(tooDeep(source.limits));
    const struct: Record<string, unknown> = {};
    while (source.at < end) {
      const tag = source.uint32();
      if (tag === FIRST) this.#entry(struct, source.end(), depth);
      else source.skip(tag);
    }
    if (source.at !== end) throw new MalformedError("is cut off");
    return struct;
  }

  #entry(struct: Record<string, unknown>, end: number, depth: number): void {
    const source = this.#source;
    let key = "";
    let value: unknown = NOTHING;
    while (source.at < end) {
      const tag = source.uint32();
      if (tag === FIRST) key = source.text();
      else if (tag === SECOND) value = this.value(source.end(), depth);
      else source.skip(tag);
    }
    if (source.at !== end) throw new MalformedError("is cut off");
    if (value === NOTHING) throw new MalformedError("must be a JSON value: no unset value");
    if (Object.hasOwn(struct, key)) source.isUnusual = true;
    setOwn(struct, key, value);
  }
}
