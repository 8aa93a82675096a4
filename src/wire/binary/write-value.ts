import type { ByteSink } from "./byte-sink.js";

/** Tags of the fields of google.protobuf.Value, and of the fields inside its lists and structs. */
const TAG = { null: 0x08, number: 0x11, string: 0x1a, bool: 0x20, struct: 0x2a, list: 0x32 };
const FIRST = 0x0a;
const SECOND = 0x12;

/** Writes a JSON value as the fields of a google.protobuf.Value. */
export function writeValue(sink: ByteSink, value: unknown): void {
  if (typeof value === "string") {
    sink.byte(TAG.string);
    sink.text(value);
  } else if (typeof value === "number") {
    sink.byte(TAG.number);
    sink.double(value);
  } else if (typeof value === "boolean") {
    sink.byte(TAG.bool);
    sink.byte(value ? 1 : 0);
  } else if (value === null) {
    sink.byte(TAG.null);
    sink.byte(0);
  } else if (Array.isArray(value)) {
    sink.byte(TAG.list);
    const list = sink.fork();
    for (const item of value) writeInner(sink, FIRST, item);
    sink.join(list);
  } else {
    sink.byte(TAG.struct);
    const struct = sink.fork();
    for (const [key, item] of Object.entries(value as object)) {
      sink.byte(FIRST);
      const entry = sink.fork();
      sink.byte(FIRST);
      sink.text(key);
      writeInner(sink, SECOND, item);
      sink.join(entry);
    }
    sink.join(struct);
  }
}

function writeInner(sink: ByteSink, tag: number, value: unknown): void {
  sink.byte(tag);
  const start = sink.fork();
  writeValue(sink, value);
  sink.join(start);
}
