import type { ByteSource } from "./byte-source.js";
import { UnsupportedError } from "./unsupported-error.js";

/**
 * Most nested messages that are read here. Fewer than the library reads, so that the library refuses what is too deep.
 */
const MAX_DEPTH = 300;

/** Reads the fields of a google.protobuf.Value up to the offset `end` and returns the JSON value. */
export function readValue(source: ByteSource, end: number, depth = 0): unknown {
  if (depth > MAX_DEPTH || source.at >= end) throw new UnsupportedError();
  const value = readKind(source, depth);
  // With two values the last one would win; no program writes that.
  if (source.at !== end) throw new UnsupportedError();
  return value;
}

function readKind(source: ByteSource, depth: number): unknown {
  switch (source.uint32()) {
    case 0x08:
      if (source.uint32() !== 0) throw new UnsupportedError();
      return null;
    case 0x11: {
      const value = source.double();
      // JSON written by JSON.stringify has no minus zero.
      if (!Number.isFinite(value) || Object.is(value, -0)) throw new UnsupportedError();
      return value;
    }
    case 0x1a:
      return source.text();
    case 0x20:
      return source.bool();
    case 0x2a:
      return readStruct(source, depth);
    case 0x32: {
      const list: unknown[] = [];
      const end = source.end();
      while (source.at < end) {
        if (source.uint32() !== 0x0a) throw new UnsupportedError();
        list.push(readValue(source, source.end(), depth + 2));
      }
      if (source.at !== end) throw new UnsupportedError();
      return list;
    }
    default:
      throw new UnsupportedError();
  }
}

function readStruct(source: ByteSource, depth: number): unknown {
  const struct: Record<string, unknown> = {};
  const end = source.end();
  while (source.at < end) {
    if (source.uint32() !== 0x0a) throw new UnsupportedError();
    const entryEnd = source.end();
    if (source.uint32() !== 0x0a) throw new UnsupportedError();
    const key = source.text();
    if (key === "__proto__" || source.uint32() !== 0x12) throw new UnsupportedError();
    struct[key] = readValue(source, source.end(), depth + 3);
    if (source.at !== entryEnd) throw new UnsupportedError();
  }
  if (source.at !== end) throw new UnsupportedError();
  return struct;
}
