import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { LIMITS } from "../../core/limits.js";

/** Levels that the library reads: those of the payload, the innermost value, the message. What was let in must go out. */
const DEEP_ENOUGH = { recursionLimit: LIMITS.payloadDepth + 2 };

/** A google.protobuf.Value kept as its JSON text: it goes out as it is, and is read only when somebody looks into it. */
export class JsonText implements Value {
  readonly $typeName = "google.protobuf.Value";
  readonly text: string;
  #kind: Value["kind"] | undefined;

  constructor(text: string) {
    this.text = text;
  }

  get kind(): Value["kind"] {
    this.#kind ??= fromJson(ValueSchema, JSON.parse(this.text) as JsonValue, DEEP_ENOUGH).kind;
    return this.#kind;
  }
}
