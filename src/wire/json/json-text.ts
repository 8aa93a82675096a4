import type { JsonValue } from "@bufbuild/protobuf";
import { NullValue, type Value } from "@bufbuild/protobuf/wkt";

/**
 * A google.protobuf.Value that is kept as JSON text. The text is sent as it is, and parsed only when someone reads
 * `kind`.
 */
export class JsonText implements Value {
  readonly $typeName = "google.protobuf.Value";
  readonly text: string;
  #kind: Value["kind"] | undefined;

  constructor(text: string) {
    this.text = text;
  }

  get kind(): Value["kind"] {
    this.#kind ??= fromJsonKind(JSON.parse(this.text) as JsonValue);
    return this.#kind;
  }
}

/**
 * Stands for a google.protobuf.Value of a message that says no JSON value, or one beyond a limit. What reads the message adds it
 * to what else is wrong with it. Nobody can take it for a value: it has none.
 */
export class BadValue implements Value {
  readonly $typeName = "google.protobuf.Value";
  readonly kind = { case: undefined };
  /** What is wrong with it and what would be right. */
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

/** Converts JSON to a protobuf Value. The recursion is safe: the depth was checked when the JSON came in. */
function fromJsonValue(json: JsonValue): Value {
  return { $typeName: "google.protobuf.Value", kind: fromJsonKind(json) };
}

function fromJsonKind(json: JsonValue): Value["kind"] {
  if (json === null) return { case: "nullValue", value: NullValue.NULL_VALUE };
  if (typeof json === "string") return { case: "stringValue", value: json };
  if (typeof json === "number") return { case: "numberValue", value: json };
  if (typeof json === "boolean") return { case: "boolValue", value: json };
  if (Array.isArray(json)) {
    return {
      case: "listValue",
      value: { $typeName: "google.protobuf.ListValue", values: json.map(fromJsonValue) },
    };
  }
  const fields: Record<string, Value> = {};
  for (const [key, value] of Object.entries(json)) {
    // An own property of this name, as the parser makes it. An assignment would set the prototype.
    if (key === "__proto__") Object.defineProperty(fields, key, { value: fromJsonValue(value), ...OWN });
    else fields[key] = fromJsonValue(value);
  }
  return { case: "structValue", value: { $typeName: "google.protobuf.Struct", fields } };
}

const OWN = { enumerable: true, configurable: true, writable: true };
