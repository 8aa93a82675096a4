import { type DescEnum, type DescField, type DescMessage, type Message, ScalarType, toJson } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import {
  type Duration,
  DurationSchema,
  FieldMaskSchema,
  StructSchema,
  type Timestamp,
  TimestampSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.js";
import { ERROR_DETAILS } from "../error-details.js";
import { type Fields, hasEntries, isImplicit, memberOf } from "../fields.js";
import { ifSupported, UnsupportedError } from "../unsupported-error.js";
import { JsonText } from "./json-text.js";

/** Returns the JSON text of a message of one type. Zeros are written out. */
export type JsonEncoder = (message: Message) => string;

type ToText = (value: never) => string;

const STATUS_OPTIONS = { alwaysEmitImplicit: true, registry: ERROR_DETAILS };

/** Messages with a JSON form of their own. The library writes those that are too rare to be worth more code. */
const SPECIAL: ReadonlyMap<string, ToText> = new Map<string, ToText>([
  [TimestampSchema.typeName, remembered((value: Timestamp) => JSON.stringify(toJson(TimestampSchema, value)))],
  [DurationSchema.typeName, remembered((value: Duration) => JSON.stringify(toJson(DurationSchema, value)))],
  [FieldMaskSchema.typeName, (value: never) => JSON.stringify(toJson(FieldMaskSchema, value))],
  [StructSchema.typeName, (value: never) => JSON.stringify(toJson(StructSchema, value))],
  [StatusSchema.typeName, (value: never) => JSON.stringify(toJson(StatusSchema, value, STATUS_OPTIONS))],
  [
    ValueSchema.typeName,
    (value: never) =>
      (value as unknown) instanceof JsonText ? (value as JsonText).text : JSON.stringify(toJson(ValueSchema, value)),
  ],
]);

const known = new Map<DescMessage, JsonEncoder>();

/**
 * Returns the encoder of a message type, which is built once so that writing a message looks nothing up. It builds the
 * text directly and writes what the library's `toJson` writes with `alwaysEmitImplicit`. Undefined for a type with
 * fields of a kind that this API does not use.
 */
export function jsonEncoderOf(desc: DescMessage): JsonEncoder | undefined {
  return ifSupported(() => encoderOf(desc));
}

/** How many times or spans are remembered, by the low bits of their ms. */
const PLACES = 64;

/** Remembers the last texts: jobs that are handled at the same time share most of their times and spans. */
function remembered<T extends Timestamp | Duration>(write: (value: T) => string): ToText {
  const places: { seconds: bigint; nanos: number; text: string }[] = [];
  return (value: T) => {
    const { seconds, nanos } = value;
    const place = (nanos / 1e6) & (PLACES - 1);
    const found = places[place];
    if (found !== undefined && found.nanos === nanos && found.seconds === seconds) return found.text;
    const text = write(value);
    places[place] = { seconds, nanos, text };
    return text;
  };
}

function encoderOf(desc: DescMessage): JsonEncoder {
  const found = known.get(desc);
  if (found !== undefined) return found;
  const special = SPECIAL.get(desc.typeName);
  if (special !== undefined) return special as unknown as JsonEncoder;
  if (desc.typeName.startsWith("google.protobuf.")) throw new UnsupportedError();
  const writers: MemberWriter[] = [];
  // Registered before its fields are looked at: one of them may be of the same type.
  const encoder: JsonEncoder = (message) => {
    let text = "";
    for (const write of writers) text = write(text, message as unknown as Fields);
    return text === "" ? "{}" : `${text}}`;
  };
  known.set(desc, encoder);
  try {
    const sorted = [...desc.fields].sort((a, b) => a.number - b.number);
    writers.push(...sorted.map(fieldWriter));
  } catch (error) {
    known.delete(desc);
    throw error;
  }
  return encoder;
}

/** Adds a member to the text of its message, which is empty before the first one. */
type MemberWriter = (text: string, message: Fields) => string;

function fieldWriter(field: DescField): MemberWriter {
  const name = `${JSON.stringify(field.jsonName)}:`;
  const [first, next] = [`{${name}`, `,${name}`];
  const toText = memberWriter(field);
  const { localName } = field;
  if (field.fieldKind === "list" || field.fieldKind === "map") {
    return (text, message) => (text === "" ? first : text + next) + toText(message[localName] as never);
  }
  if (isImplicit(field)) return rememberedMember(localName, first, next, toText);
  const get = field.oneof === undefined ? (message: Fields) => message[localName] : memberOf(field);
  return (text, message) => {
    const value = get(message);
    return value === undefined ? text : (text === "" ? first : text + next) + toText(value as never);
  };
}

/** Writes a member that is always there, and mostly the same again: the same queue, type or worker, or a zero. */
function rememberedMember(localName: string, first: string, next: string, toText: ToText): MemberWriter {
  let last: unknown;
  let lastMember = "";
  return (text, message) => {
    const value = message[localName];
    if (text === "") return first + toText(value as never);
    if (value !== last || lastMember === "") {
      last = value;
      lastMember = next + toText(value as never);
    }
    return text + lastMember;
  };
}

function memberWriter(field: DescField): ToText {
  const toText = valueWriter(field);
  if (field.fieldKind === "list")
    return (values: never[]) => (values.length === 0 ? "[]" : `[${values.map(toText).join(",")}]`);
  if (field.fieldKind === "map") {
    return (map: Record<string, never>) => {
      if (!hasEntries(map)) return "{}";
      const entries = Object.keys(map).map((key) => `${JSON.stringify(key)}:${toText(map[key] as never)}`);
      return `{${entries.join(",")}}`;
    };
  }
  return toText;
}

function valueWriter({ message, enum: ofEnum, scalar }: DescField): ToText {
  if (message !== undefined) return encoderOf(message);
  if (ofEnum !== undefined) return enumWriter(ofEnum);
  switch (scalar) {
    case ScalarType.STRING:
      return (value: string) => JSON.stringify(value);
    case ScalarType.BOOL:
    case ScalarType.INT32:
    case ScalarType.UINT32:
      return String;
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return (value: bigint) => `"${value}"`;
    case ScalarType.DOUBLE:
      return (value: number) => (Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`);
    case ScalarType.BYTES:
      return (value: Uint8Array) => `"${base64Encode(value)}"`;
    default:
      throw new UnsupportedError();
  }
}

/** An enum value without a name is written as its number. */
function enumWriter({ values }: DescEnum): ToText {
  const names = new Map(values.map(({ number, name }) => [number, JSON.stringify(name)]));
  return (value: number) => names.get(value) ?? String(value);
}
