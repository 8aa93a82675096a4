import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { setGroup } from "./fields.js";
import { freshOf } from "./fresh.js";
import { JsonText } from "./json-text.js";
import { UnsupportedError } from "./unsupported-error.js";

/**
 * Converts parsed JSON to a message of one type. Throws `UnsupportedError` for everything that must be left to the
 * library.
 */
export type JsonDecoder = (json: unknown) => Message;

type Target = Record<string, unknown>;
type Read = (json: never) => unknown;
type ReadField = (json: unknown, message: Target) => void;

const MAX_INT32 = 2 ** 31 - 1;
const OPEN_BRACE = 0x7b;

const known = new Map<DescMessage, JsonDecoder>();

/** Whitespace that may stand between a name and its colon, which programs hardly ever write. */
const LONELY_COLONS = [" :", "\n:", "\t:", "\r:"];

/**
 * Reads a message from its JSON text in UTF-8 if that is written in the usual way. A name that occurs twice in one
 * object must be refused, which `JSON.parse` does not do. The library finds such names by looking at each character;
 * here the names in the text and those in the parsed value are counted, which is faster. A text for which `isTooDeep`
 * returns true is left to the library too.
 */
export function readJson(decode: JsonDecoder, bytes: Uint8Array, isTooDeep: (text: string) => boolean): Message {
  if (bytes[0] !== OPEN_BRACE) throw new UnsupportedError();
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  const json = parse(text);
  // U+FFFD may stand for bytes that are not UTF-8, and an escape may be half of a surrogate pair. The library drops the
  // name `__proto__`.
  if (text.includes("\ufffd") || text.includes("\\u") || text.includes('"__proto__"')) throw new UnsupportedError();
  if (isTooDeep(text)) throw new UnsupportedError();
  for (const colon of LONELY_COLONS) if (text.includes(colon)) throw new UnsupportedError();
  if (countNames(json) !== countOf(text, '":')) throw new UnsupportedError();
  return decode(json);
}

/** The number of names in all objects of a value. NaN when a number in it is not finite or is minus zero. */
function countNames(json: unknown): number {
  if (typeof json === "number") return Number.isFinite(json) && !Object.is(json, -0) ? 0 : Number.NaN;
  if (typeof json !== "object" || json === null) return 0;
  let count = 0;
  if (Array.isArray(json)) for (const item of json) count += countNames(item);
  else for (const name in json) count += 1 + countNames((json as Target)[name]);
  return count;
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnsupportedError();
  }
}

/**
 * Returns the decoder of a message type, which is built once. A decoder rejects names and values that are not in their
 * usual form.
 */
export function jsonDecoderOf(desc: DescMessage): JsonDecoder {
  const found = known.get(desc);
  if (found !== undefined) return found;
  const decoder = wellKnown(desc) ?? messageDecoder(desc);
  known.set(desc, decoder);
  return decoder;
}

function wellKnown(desc: DescMessage): JsonDecoder | undefined {
  switch (desc.typeName) {
    case ValueSchema.typeName:
      return (json) => new JsonText(JSON.stringify(json));
    case TimestampSchema.typeName:
    case DurationSchema.typeName:
      return (json) => {
        try {
          return fromJson(desc, json as string);
        } catch {
          throw new UnsupportedError();
        }
      };
    default:
      return desc.typeName.startsWith("google.protobuf.") ? refuse : undefined;
  }
}

function refuse(): never {
  throw new UnsupportedError();
}

function messageDecoder(desc: DescMessage): JsonDecoder {
  const fresh = freshOf(desc);
  let fields: ReadonlyMap<string, ReadField | undefined> | undefined;
  return (json) => {
    const given = toObject(json);
    // Built at the first message, not before: a field may be of the same type.
    fields ??= new Map(desc.fields.map((field) => [field.jsonName, fieldReader(field)]));
    const message = fresh();
    for (const name in given) {
      const read = fields.get(name);
      const value = given[name];
      // For most fields null means "not set".
      if (read === undefined || value === null) throw new UnsupportedError();
      read(value, message as unknown as Target);
    }
    return message;
  };
}

/** Returns the function that reads a field; undefined for a field that is left to the library. */
function fieldReader(field: DescField): ReadField | undefined {
  const read = valueReader(field) as ((json: unknown) => unknown) | undefined;
  if (read === undefined) return undefined;
  const { localName, oneof } = field;
  if (field.fieldKind === "list") {
    return (json, message) => {
      if (!Array.isArray(json)) throw new UnsupportedError();
      message[localName] = json.map(read);
    };
  }
  if (field.fieldKind === "map") {
    if (field.mapKey !== ScalarType.STRING) return undefined;
    return (json, message) => {
      const given = toObject(json);
      const map = message[localName] as Target;
      for (const key in given) {
        if (key === "__proto__") throw new UnsupportedError();
        map[key] = read(given[key]);
      }
    };
  }
  if (oneof !== undefined) {
    const group = oneof.localName;
    return (json, message) => setGroup(message, group, localName, read(json));
  }
  return (json, message) => {
    message[localName] = read(json);
  };
}

function toObject(json: unknown): Target {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new UnsupportedError();
  return json as Target;
}

function valueReader({ message, enum: ofEnum, scalar }: DescField): Read | undefined {
  if (message !== undefined) return jsonDecoderOf(message);
  if (ofEnum !== undefined) return enumReader(ofEnum);
  switch (scalar) {
    case ScalarType.STRING:
      return readText;
    case ScalarType.BOOL:
      return readBool;
    case ScalarType.INT32:
      return (json: unknown) => whole(json, -MAX_INT32, MAX_INT32);
    case ScalarType.UINT32:
      return (json: unknown) => whole(json, 0, MAX_INT32);
    case ScalarType.DOUBLE:
      return readNumber;
    default:
      return undefined;
  }
}

function readText(json: unknown): string {
  if (typeof json !== "string") throw new UnsupportedError();
  return json;
}

function readBool(json: unknown): boolean {
  if (typeof json !== "boolean") throw new UnsupportedError();
  return json;
}

function readNumber(json: unknown): number {
  if (typeof json !== "number") throw new UnsupportedError();
  return json;
}

function whole(json: unknown, min: number, max: number): number {
  if (typeof json !== "number" || !Number.isInteger(json) || json < min || json > max) throw new UnsupportedError();
  return json;
}

function enumReader({ values }: DescEnum): Read {
  const numbers = new Map(values.map(({ name, number }) => [name, number]));
  return (json: unknown) => {
    const number = typeof json === "string" ? numbers.get(json) : undefined;
    if (number === undefined) throw new UnsupportedError();
    return number;
  };
}
