import { create, type JsonValue } from "@bufbuild/protobuf";
import { ListValueSchema, NullValue, StructSchema, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { setOwn } from "../wire/fields.js";

/** Deepest nesting that is written: more than the server accepts, so that the server answers with the limit. */
const MAX_DEPTH = 1000;

/**
 * Converts JSON to a google.protobuf.Value. Throws an error for what is nested very deep. Unlike the library's, these
 * conversions keep a key `__proto__`.
 */
export function toValue(json: JsonValue, depth = 0): Value {
  return create(ValueSchema, { kind: kindOf(json, depth) });
}

function kindOf(json: JsonValue, depth: number): Value["kind"] {
  if (json === null) return { case: "nullValue", value: NullValue.NULL_VALUE };
  if (typeof json === "string") return { case: "stringValue", value: json };
  if (typeof json === "number") return { case: "numberValue", value: json };
  if (typeof json === "boolean") return { case: "boolValue", value: json };
  if (depth === MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`);
  if (Array.isArray(json)) {
    const list = create(ListValueSchema);
    for (const item of json) list.values.push(toValue(item, depth + 1));
    return { case: "listValue", value: list };
  }
  const struct = create(StructSchema);
  for (const [key, item] of Object.entries(json)) setOwn(struct.fields, key, toValue(item, depth + 1));
  return { case: "structValue", value: struct };
}

/** The JSON of a google.protobuf.Value. */
export function fromValue({ kind }: Value): JsonValue {
  switch (kind.case) {
    case "listValue":
      return kind.value.values.map(fromValue);
    case "structValue": {
      const object: Record<string, JsonValue> = {};
      for (const [key, item] of Object.entries(kind.value.fields)) setOwn(object, key, fromValue(item));
      return object;
    }
    case "nullValue":
    case undefined:
      return null;
    default:
      return kind.value;
  }
}
