import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { ByteSource } from "./byte-source.js";
import { setGroup } from "./fields.js";
import { freshOf } from "./fresh.js";
import { JsonText } from "./json-text.js";
import { readValue } from "./read-value.js";
import { UnsupportedError } from "./unsupported-error.js";
import { rememberValue } from "./value-memo.js";

/**
 * Reads a message of one type up to the offset `end`. Throws `UnsupportedError` for everything that must be left to the
 * library.
 */
export type BinaryDecoder = (source: ByteSource, end: number) => Message;

type Target = Record<string, unknown>;
type Read = (source: ByteSource) => unknown;
type ReadField = (source: ByteSource, message: Target) => void;

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
  [ScalarType.DOUBLE, { wire: BIT64, read: (source) => source.double() }],
]);

const known = new Map<DescMessage, BinaryDecoder>();

/** Reads a message from its bytes. */
export function readBinary(decode: BinaryDecoder, bytes: Uint8Array): Message {
  return decode(new ByteSource(bytes), bytes.byteLength);
}

/**
 * Returns the decoder of a message type, which is built once. A decoder rejects whatever it cannot read as the library
 * does, for instance unknown fields and messages that come twice.
 */
export function binaryDecoderOf(desc: DescMessage): BinaryDecoder {
  const found = known.get(desc);
  if (found !== undefined) return found;
  const decoder = desc.typeName === ValueSchema.typeName ? readJsonText : messageDecoder(desc);
  known.set(desc, decoder);
  return decoder;
}

function readJsonText(source: ByteSource, end: number): Message {
  const start = source.at;
  const text = JSON.stringify(readValue(source, end));
  rememberValue(text, source.body, start, end);
  return new JsonText(text);
}

function messageDecoder(desc: DescMessage): BinaryDecoder {
  const fresh = freshOf(desc);
  let fields: ReadonlyMap<number, ReadField> | undefined;
  return (source, end) => {
    // Built at the first message, not before: a field may be of the same type.
    fields ??= new Map(desc.fields.flatMap(fieldReaders));
    const message = fresh();
    while (source.at < end) {
      const read = fields.get(source.uint32());
      if (read === undefined) throw new UnsupportedError();
      read(source, message as unknown as Target);
    }
    if (source.at !== end) throw new UnsupportedError();
    return message;
  };
}

/** Returns the functions that read a field, by tag. Empty for a field that is left to the library. */
function fieldReaders(field: DescField): [number, ReadField][] {
  const reader = valueReader(field);
  if (reader === undefined) return [];
  const { read, wire } = reader;
  const { number, localName, oneof } = field;
  if (field.fieldKind === "map") {
    return field.mapKey === ScalarType.STRING ? [[(number << 3) | LENGTH, mapReader(localName, wire, read)]] : [];
  }
  const tag = (number << 3) | wire;
  if (field.fieldKind === "list") {
    const one: ReadField = (source, message) => {
      (message[localName] as unknown[]).push(read(source));
    };
    if (wire === LENGTH) return [[tag, one]];
    const packed: ReadField = (source, message) => {
      const end = source.end();
      while (source.at < end) one(source, message);
      if (source.at !== end) throw new UnsupportedError();
    };
    return [
      [tag, one],
      [(number << 3) | LENGTH, packed],
    ];
  }
  if (oneof !== undefined) {
    const group = oneof.localName;
    return [[tag, (source, message) => setGroup(message, group, localName, read(source))]];
  }
  if (field.fieldKind === "message") {
    return [
      [
        tag,
        (source, message) => {
          // The library merges a message that comes twice.
          if (message[localName] !== undefined) throw new UnsupportedError();
          message[localName] = read(source);
        },
      ],
    ];
  }
  return [
    [
      tag,
      (source, message) => {
        message[localName] = read(source);
      },
    ],
  ];
}

function mapReader(localName: string, wire: number, read: Read): ReadField {
  const valueTag = (2 << 3) | wire;
  return (source, message) => {
    const end = source.end();
    if (source.uint32() !== ((1 << 3) | LENGTH)) throw new UnsupportedError();
    const key = source.text();
    if (key === "__proto__" || source.uint32() !== valueTag) throw new UnsupportedError();
    (message[localName] as Target)[key] = read(source);
    if (source.at !== end) throw new UnsupportedError();
  };
}

function valueReader({
  message,
  enum: ofEnum,
  scalar,
  delimitedEncoding,
}: DescField & { delimitedEncoding?: boolean }) {
  if (delimitedEncoding) return undefined;
  if (message !== undefined) {
    const decode = binaryDecoderOf(message);
    return { wire: LENGTH, read: (source: ByteSource) => decode(source, source.end()) };
  }
  const type = ofEnum === undefined ? scalar : ScalarType.INT32;
  return type === undefined ? undefined : SCALARS.get(type);
}
