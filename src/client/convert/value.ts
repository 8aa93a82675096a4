import type { JsonValue } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import { setOwn } from "../../wire/fields.js";

/** The JSON of a google.protobuf.Value. Unlike the library's, it keeps a key `__proto__`. */
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
