import { type DescEnum, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.js";
import { DecodeError, type DecodeLimits, tooManyInMessage } from "../decode-error.js";
import { setGroup } from "../fields.js";
import { freshOf } from "../fresh.js";
import { UnsupportedError } from "../unsupported-error.js";
import { countJsonValues, findLostNumber, findRepeatedName, type RepeatedName } from "./json-names.js";
import { JsonText } from "./json-text.js";
import { isOrdinary } from "./ordinary-json.js";
import { parseDuration, parseTimestamp, type SecondsAndNanos } from "./parse-times.js";
import { decodeStrictly } from "./strict-json-decoder.js";

/**
 * Converts parsed JSON to a message of one type. Throws `UnsupportedError` for everything that must be left to
 * `decodeStrictly`.
 */
export type JsonDecoder = (json: unknown) => Message;

type Target = Record<string, unknown>;
type Read = (json: never) => unknown;
type ReadField = (json: unknown, message: Target) => void;

const MAX_INT32 = 2 ** 31 - 1;

const known = new Map<DescMessage, JsonDecoder>();

/** A body up to this size cannot have more values than a message may have; larger ones are counted before they are parsed. */
const SMALL_BYTES = 1 << 16;

/** Lists longer than this are left to `decodeStrictly`, which knows how many entries they may have. */
const MANY_ENTRIES = 1000;

const REPLACED = "\ufffd";
const BYTE_ORDER_MARK = "\ufeff";
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a message of its JSON text in UTF-8. Throws a DecodeError for what is no such message or exceeds a limit; a
 * google.protobuf.Value for which that is so may become a `BadValue`. A text is parsed once: what is written as programs do it is then made into a message without a look at each character, the rest by
 * `decodeStrictly`.
 */
export function readJson(desc: DescMessage, bytes: Uint8Array, limits: DecodeLimits): Message {
  const { text, json } = parseJson(bytes, limits);
  refuseLost(text);
  if (isOrdinary(text, json, limits)) return readParsedJson(desc, json, limits);
  refuseRepeated(text);
  return decodeStrictly(desc, json, limits);
}

/**
 * As `readJson`, in steps: of the text as a whole, each of which takes some ms for the largest one, and of the entries of lists, one
 * by one.
 */
export function* readJsonInSteps(desc: DescMessage, bytes: Uint8Array, limits: DecodeLimits): Generator<void, Message> {
  const { text, json } = yield* parseJsonInSteps(bytes, limits);
  yield;
  refuseLost(text);
  yield;
  const isUsual = isOrdinary(text, json, limits);
  yield;
  if (isUsual) {
    try {
      return yield* readInSteps(desc, json);
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
    }
  } else {
    refuseRepeated(text);
    yield;
  }
  return decodeStrictly(desc, json, limits);
}

/** Makes a message of a JSON value whose objects are known to have no name twice. Throws a DecodeError as `readJson` does. */
export function readParsedJson(desc: DescMessage, json: unknown, limits: DecodeLimits): Message {
  try {
    return jsonDecoderOf(desc)(json);
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return decodeStrictly(desc, json, limits);
  }
}

/** A JSON text and what it says. */
export interface ParsedJson {
  readonly text: string;
  readonly json: unknown;
}

/** Parses a JSON text in UTF-8. Throws a DecodeError for what is none, or has more values than a message may have. */
export function parseJson(bytes: Uint8Array, limits: DecodeLimits): ParsedJson {
  refuseMany(bytes, limits);
  const text = textOf(bytes);
  return { text, json: parse(text) };
}

/** The same in steps, each of which takes some ms for the largest text. */
export function* parseJsonInSteps(bytes: Uint8Array, limits: DecodeLimits): Generator<void, ParsedJson> {
  refuseMany(bytes, limits);
  yield;
  const text = textOf(bytes);
  yield;
  return { text, json: parse(text) };
}

/** Converts the entries of the lists of messages that a message has, each in a step, after the rest of it. */
function* readInSteps(desc: DescMessage, json: unknown): Generator<void, Message> {
  const given = toObject(json);
  const lists = desc.fields.flatMap(({ fieldKind, message: type, jsonName, localName }) => {
    const items = given[jsonName];
    return fieldKind === "list" && type !== undefined && Array.isArray(items)
      ? [{ type, jsonName, localName, items }]
      : [];
  });
  const message = jsonDecoderOf(desc)({ ...given, ...Object.fromEntries(lists.map(({ jsonName }) => [jsonName, []])) });
  for (const { type, localName, items } of lists) {
    if (items.length > MANY_ENTRIES) throw new UnsupportedError();
    const read = jsonDecoderOf(type);
    const list: Message[] = [];
    for (const item of items) {
      list.push(read(item));
      yield;
    }
    (message as unknown as Target)[localName] = list;
  }
  return message;
}

function refuseMany(bytes: Uint8Array, limits: DecodeLimits): void {
  if (bytes.byteLength > SMALL_BYTES && countJsonValues(bytes) > mostValues(limits)) {
    throw badRequest(tooManyInMessage(limits));
  }
}

function refuseRepeated(text: string): void {
  const repeated = findRepeatedName(text);
  if (repeated !== undefined) throw repeatedName(repeated);
}

/** Nobody would notice that a number has become another one. */
function refuseLost(text: string): void {
  const lost = findLostNumber(text);
  if (lost === undefined) return;
  const description = `has the number ${lost.number}, which would become ${Number(lost.number)}: send it as text, or the payload as payload_json`;
  throw new DecodeError([{ field: lost.path, description }]);
}

/**
 * Values that a message may have before it is parsed. Those of its own fields are no JSON of a payload and are bounded by other
 * limits: there is room for all of a full batch.
 */
function mostValues({ messageValues, mapEntries }: DecodeLimits): number {
  return messageValues + 2 * mapEntries;
}

function badRequest(description: string): DecodeError {
  return new DecodeError([{ field: "request", description }]);
}

function repeatedName({ name, path }: RepeatedName): DecodeError {
  if (path === "") return new DecodeError([{ field: name, description: "is set twice" }]);
  return new DecodeError([{ field: path, description: `has the name "${name}" twice in one object` }]);
}

function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  if (text.includes(REPLACED) && !isUtf8(bytes)) throw badRequest("is not valid UTF-8");
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`is not valid JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** Makes the decoder of a type once. It leaves names and values that are not the usual ones to `decodeStrictly`. */
function jsonDecoderOf(desc: DescMessage): JsonDecoder {
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
      return (json) => timeOf(TimestampSchema.typeName, parseTimestamp, json);
    case DurationSchema.typeName:
      return (json) => timeOf(DurationSchema.typeName, parseDuration, json);
    case StatusSchema.typeName:
      return refuse;
    default:
      return desc.typeName.startsWith("google.protobuf.") ? refuse : undefined;
  }
}

function timeOf($typeName: string, read: (text: string) => SecondsAndNanos | undefined, json: unknown): Message {
  const parsed = typeof json === "string" ? read(json) : undefined;
  if (parsed === undefined) throw new UnsupportedError();
  return { $typeName, ...parsed } as Message;
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
      if (!Array.isArray(json) || json.length > MANY_ENTRIES) throw new UnsupportedError();
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
