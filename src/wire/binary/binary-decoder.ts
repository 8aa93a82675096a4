import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { DecodeError, type DecodeLimits, MalformedError, pathWithin, tooManyEntries } from "../decode-error.js";
import { setOwn } from "../fields.js";
import { addTo, freshOf } from "../fresh.js";
import { BadValue, JsonText } from "../json/json-text.js";
import { ByteSource } from "./byte-source.js";
import { readValue } from "./read-value.js";
import { rememberValue } from "./value-memo.js";

type Target = Record<string, unknown>;
type Read = (source: ByteSource) => unknown;

/** Reads the fields of a message up to `end`, into one that was read before or a new one. */
type Decoder = (source: ByteSource, end: number, into?: Message) => Message;

/** How a field is read, once its tag was. */
interface Field {
  readonly desc: DescField;
  readonly read: (source: ByteSource, message: Target) => void;
}

/** Default of the bytes that are read in one step: far less than a ms. */
const STEP_BYTES = 1 << 15;

const VARINT = 0;
const BIT64 = 1;
const LENGTH = 2;

const SCALARS: ReadonlyMap<ScalarType, { read: Read; wire: number }> = new Map<
  ScalarType,
  { read: Read; wire: number }
>([
  [ScalarType.STRING, { wire: LENGTH, read: (source) => source.text() }],
  [ScalarType.BYTES, { wire: LENGTH, read: (source) => source.bytes() }],
  [ScalarType.BOOL, { wire: VARINT, read: (source) => source.bool() }],
  [ScalarType.INT32, { wire: VARINT, read: (source) => source.int32() }],
  [ScalarType.UINT32, { wire: VARINT, read: (source) => source.uint32() }],
  [ScalarType.INT64, { wire: VARINT, read: (source) => source.int64() }],
  [ScalarType.UINT64, { wire: VARINT, read: (source) => source.uint64() }],
  [ScalarType.DOUBLE, { wire: BIT64, read: (source) => source.double() }],
]);

const known = new Map<DescMessage, Decoder>();

/**
 * Reads a message of its bytes; unknown fields are passed over. Throws a DecodeError for bytes that are no such message, or
 * exceed a limit; a google.protobuf.Value for which that is so becomes a `BadValue`. The type must be one that `isSupported`.
 */
export function readBinary(desc: DescMessage, bytes: Uint8Array, limits: DecodeLimits): Message {
  return readUpTo(desc, new ByteSource(bytes, limits), bytes.byteLength);
}

/** As `readBinary`, in steps of some `stepBytes` each, but for a field that has more. */
export function* readBinaryInSteps(
  desc: DescMessage,
  bytes: Uint8Array,
  limits: DecodeLimits,
  stepBytes = STEP_BYTES,
): Generator<void, Message> {
  const source = new ByteSource(bytes, limits);
  let message: Message | undefined;
  for (const end of stepsOf(bytes, limits, stepBytes)) {
    message = readUpTo(desc, source, end, message);
    yield;
  }
  return readUpTo(desc, source, bytes.byteLength, message);
}

/** Reads the fields of a message up to `end`, into what was read before. */
function readUpTo(desc: DescMessage, source: ByteSource, end: number, into?: Message): Message {
  try {
    return decoderOf(desc)(source, end, into);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new DecodeError([{ field: "request", description: `is not a valid message: it ${error.message}` }]);
  }
}

/** Ends of fields of a message, some `stepBytes` from each other. Of what is no message: none, or only some. */
function stepsOf(bytes: Uint8Array, limits: DecodeLimits, stepBytes: number): readonly number[] {
  const source = new ByteSource(bytes, limits);
  const ends: number[] = [];
  try {
    for (let last = 0; source.at < bytes.byteLength; ) {
      source.skip(source.uint32());
      if (source.at - last < stepBytes) continue;
      last = source.at;
      ends.push(last);
    }
  } catch (error) {
    // Whoever reads it meets the fault too, and tells where.
    if (!(error instanceof MalformedError)) throw error;
  }
  return ends;
}

/** Makes the decoder of a type once. */
function decoderOf(desc: DescMessage): Decoder {
  let decoder = known.get(desc);
  if (decoder === undefined) {
    decoder = desc.typeName === ValueSchema.typeName ? readJsonText : messageDecoder(desc);
    known.set(desc, decoder);
  }
  return decoder;
}

function readJsonText(source: ByteSource, end: number): Message {
  const start = source.at;
  const wasUnusual = source.isUnusual;
  source.isUnusual = false;
  let text: string;
  try {
    text = JSON.stringify(readValue(source, end));
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    // Its end is known: the other fields can be read, to be named too if they are bad.
    source.at = end;
    return new BadValue(error.message);
  }
  if (!source.isUnusual) rememberValue(text, source.body, start, end);
  source.isUnusual ||= wasUnusual;
  return new JsonText(text);
}

function messageDecoder(desc: DescMessage): Decoder {
  const fresh = freshOf(desc);
  const numbers = new Set(desc.fields.map(({ number }) => number));
  const isNoField = (tag: number) => !numbers.has(tag >>> 3);
  let fields: ReadonlyMap<number, Field> | undefined;
  return (source, end, into) => {
    // Made at the first message: fields may be of the same type.
    fields ??= new Map(desc.fields.flatMap(fieldsByTag));
    const message = (into ?? fresh()) as unknown as Target;
    let field: Field | undefined;
    try {
      while (source.at < end) {
        field = undefined;
        const tag = source.uint32();
        field = fields.get(tag);
        if (field !== undefined) field.read(source, message);
        else if (isNoField(tag)) source.skip(tag);
        else throw wrongType(desc, tag);
      }
    } catch (error) {
      throw field === undefined ? error : located(error, field.desc, message);
    }
    if (source.at !== end) throw new MalformedError("is cut off");
    return message as unknown as Message;
  };
}

/** The error for a field whose bytes are of another type: the client's stubs are not of these protos. */
function wrongType({ fields }: DescMessage, tag: number): DecodeError {
  const field = fields.find(({ number }) => number === tag >>> 3)?.jsonName ?? "request";
  return new DecodeError([{ field, description: "is of another type on the wire than it has here" }]);
}

/** Thrown for a list as a whole, not for the entry that is read. */
class ListError extends DecodeError {}

function tooLong({ jsonName }: DescField, { limits }: ByteSource): ListError {
  return new ListError([{ field: jsonName, description: tooManyEntries(limits) }]);
}

/** The error, with the field that it was met in. */
function located(error: unknown, { fieldKind, jsonName, localName }: DescField, message: Target): unknown {
  if (error instanceof ListError) return new DecodeError(error.fields);
  const path = fieldKind === "list" ? `${jsonName}[${(message[localName] as unknown[]).length}]` : jsonName;
  if (error instanceof MalformedError) return new DecodeError([{ field: path, description: error.message }]);
  if (!(error instanceof DecodeError)) return error;
  return new DecodeError(error.fields.map((bad) => ({ ...bad, field: pathWithin(path, bad.field) })));
}

/** How a field is read, by each tag that it may have. */
function fieldsByTag(desc: DescField): [number, Field][] {
  const { number, localName, oneof } = desc;
  const single = singleOf(desc);
  if (single === undefined) return [];
  const { read, wire } = single;
  const tag = (number << 3) | wire;
  if (desc.fieldKind === "map") return [[(number << 3) | LENGTH, { desc, read: mapReader(localName, wire, read) }]];
  if (desc.fieldKind === "list") {
    const one: Field["read"] = (source, message) => {
      const { length } = message[localName] as unknown[];
      if (length === source.limits.entries) throw tooLong(desc, source);
      addTo(message, localName, read(source));
    };
    if (wire === LENGTH) return [[tag, { desc, read: one }]];
    const packed: Field["read"] = (source, message) => {
      const end = source.end();
      while (source.at < end) one(source, message);
      if (source.at !== end) throw new MalformedError("is cut off");
    };
    return [
      [tag, { desc, read: one }],
      [(number << 3) | LENGTH, { desc, read: packed }],
    ];
  }
  if (oneof !== undefined) {
    return [[tag, { desc, read: memberReader(desc, oneof.localName, read) }]];
  }
  if (desc.fieldKind === "message") {
    const decode = decoderOf(desc.message);
    return [
      [
        tag,
        {
          desc,
          // A message that comes twice is merged.
          read: (source, message) => {
            message[localName] = decode(source, source.end(), message[localName] as Message | undefined);
          },
        },
      ],
    ];
  }
  return [
    [
      tag,
      {
        desc,
        read: (source, message) => {
          message[localName] = read(source);
        },
      },
    ],
  ];
}

/** Reads a field of a oneof: the last one wins, and a message that comes twice is merged, as any is. */
function memberReader({ localName, message: type }: DescField, group: string, read: Read): Field["read"] {
  if (type === undefined || type.typeName === ValueSchema.typeName) {
    return (source, message) => {
      message[group] = { case: localName, value: read(source) };
    };
  }
  const decode = decoderOf(type);
  return (source, message) => {
    const before = message[group] as { readonly case: string | undefined; readonly value?: Message };
    const into = before.case === localName ? before.value : undefined;
    message[group] = { case: localName, value: decode(source, source.end(), into) };
  };
}

function mapReader(localName: string, wire: number, read: Read): Field["read"] {
  const keyTag = (1 << 3) | LENGTH;
  const valueTag = (2 << 3) | wire;
  return (source, message) => {
    const end = source.end();
    const map = message[localName] as Target;
    let key = "";
    let value: unknown;
    while (source.at < end) {
      const tag = source.uint32();
      if (tag === keyTag) key = source.text();
      else if (tag === valueTag) value = read(source);
      else source.skip(tag);
    }
    if (source.at !== end) throw new MalformedError("is cut off");
    if (--source.mapEntriesLeft < 0) throw new MalformedError(tooManyEntries(source.limits));
    setOwn(map, key, value ?? "");
  };
}

function singleOf({ message, enum: ofEnum, scalar }: DescField): { read: Read; wire: number } | undefined {
  if (message !== undefined) {
    const decode = decoderOf(message);
    return { wire: LENGTH, read: (source) => decode(source, source.end()) };
  }
  const type = ofEnum === undefined ? scalar : ScalarType.INT32;
  return type === undefined ? undefined : SCALARS.get(type);
}
