import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { type Fields, isImplicit, memberOf, presenceOf, zeroOf } from "../fields.js";
import { JsonText } from "../json/json-text.js";
import { ifSupported, UnsupportedError } from "../unsupported-error.js";
import type { ByteSink } from "./byte-sink.js";
import { writeRemembered } from "./value-memo.js";
import { writeValue } from "./write-value.js";

/**
 * Writes the fields of a message of one type. Of a message that somebody else wrote down it takes what `create` takes: members may be
 * missing. Throws `UnsupportedError` for a value that is not of the type of its field: the library says what is wrong with it.
 */
export type BinaryEncoder = (sink: ByteSink, message: Message) => void;

type Write = (sink: ByteSink, value: never) => void;

const VARINT = 0;
const BIT64 = 1;
const LENGTH = 2;

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;

function expect(isOfType: boolean): void {
  if (!isOfType) throw new UnsupportedError();
}

/** How each kind of scalar is written, with its wire type. */
const SCALARS: ReadonlyMap<ScalarType, { write: Write; wire: number }> = new Map<
  ScalarType,
  { write: Write; wire: number }
>([
  [
    ScalarType.STRING,
    {
      wire: LENGTH,
      write: (sink, value: string) => {
        expect(typeof value === "string");
        sink.text(value);
      },
    },
  ],
  [
    ScalarType.BYTES,
    {
      wire: LENGTH,
      write: (sink, value: Uint8Array) => {
        expect(value instanceof Uint8Array);
        sink.bytes(value);
      },
    },
  ],
  [
    ScalarType.BOOL,
    {
      wire: VARINT,
      write: (sink, value: boolean) => {
        expect(typeof value === "boolean");
        sink.byte(value ? 1 : 0);
      },
    },
  ],
  [
    ScalarType.INT32,
    {
      wire: VARINT,
      write: (sink, value: number) => {
        expect(value === (value | 0));
        sink.int32(value);
      },
    },
  ],
  [
    ScalarType.UINT32,
    {
      wire: VARINT,
      write: (sink, value: number) => {
        expect(value === value >>> 0);
        sink.uint32(value);
      },
    },
  ],
  [
    ScalarType.INT64,
    {
      wire: VARINT,
      write: (sink, value: bigint) => {
        expect(typeof value === "bigint" && value >= MIN_INT64 && value <= MAX_INT64);
        sink.int64(value);
      },
    },
  ],
  [
    ScalarType.UINT64,
    {
      wire: VARINT,
      write: (sink, value: bigint) => {
        expect(typeof value === "bigint" && value >= 0n && value <= MAX_UINT64);
        sink.int64(value);
      },
    },
  ],
  [
    ScalarType.DOUBLE,
    {
      wire: BIT64,
      write: (sink, value: number) => {
        expect(typeof value === "number");
        sink.double(value);
      },
    },
  ],
]);

const known = new Map<DescMessage, BinaryEncoder>();

/**
 * Returns the encoder of a message type, which is built once so that writing a message looks nothing up. The library's
 * encoder looks up every field of every message and takes eight times as long. Undefined for a type with fields of a
 * kind that this API does not use.
 */
export function binaryEncoderOf(desc: DescMessage): BinaryEncoder | undefined {
  return ifSupported(() => encoderOf(desc));
}

function encoderOf(desc: DescMessage): BinaryEncoder {
  const found = known.get(desc);
  if (found !== undefined) return found;
  const writers: ((sink: ByteSink, message: Fields) => void)[] = [];
  // Registered before its fields are looked at: one of them may be of the same type.
  const encoder: BinaryEncoder = (sink, message) => {
    if (message instanceof JsonText) {
      if (!writeRemembered(sink, message.text)) writeValue(sink, JSON.parse(message.text));
      return;
    }
    for (const write of writers) write(sink, message as unknown as Fields);
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

function fieldWriter(field: DescField): (sink: ByteSink, message: Fields) => void {
  if (field.fieldKind === "list") return listWriter(field);
  if (field.fieldKind === "map") return mapWriter(field);
  const write = tagged(field.number, wireOf(field), valueWriter(field));
  const { localName } = field;
  if (isImplicit(field)) {
    const zero = zeroOf(field);
    if (zero !== undefined) {
      return (sink, message) => {
        const value = message[localName] ?? zero;
        if (value !== zero) write(sink, value as never);
      };
    }
    const isPresent = presenceOf(field);
    return (sink, message) => {
      const value = message[localName] ?? undefined;
      if (value !== undefined && isPresent(value)) write(sink, value as never);
    };
  }
  const get = field.oneof === undefined ? (message: Fields) => message[localName] : memberOf(field);
  return (sink, message) => {
    const value = get(message) ?? undefined;
    if (value !== undefined) write(sink, value as never);
  };
}

function listWriter(field: DescField & { fieldKind: "list" }): (sink: ByteSink, message: Fields) => void {
  const write = valueWriter(field);
  const { localName } = field;
  if (!field.packed) {
    const item = tagged(field.number, wireOf(field), write);
    return (sink, message) => {
      for (const value of listOf(message[localName])) item(sink, value);
    };
  }
  const packed = tagged(field.number, LENGTH, (sink, values: never[]) => {
    const start = sink.fork();
    for (const value of values) write(sink, value);
    sink.join(start);
  });
  return (sink, message) => {
    const values = listOf(message[localName]);
    if (values.length > 0) packed(sink, values as never);
  };
}

function mapWriter(field: DescField & { fieldKind: "map" }): (sink: ByteSink, message: Fields) => void {
  if (field.mapKey !== ScalarType.STRING) throw new UnsupportedError();
  const { localName } = field;
  const key = tagged(1, LENGTH, (sink, value: string) => sink.text(value));
  const value = tagged(2, wireOf(field), valueWriter(field));
  const entry = tagged(field.number, LENGTH, (sink, [name, item]: [never, never]) => {
    const start = sink.fork();
    key(sink, name);
    value(sink, item);
    sink.join(start);
  });
  return (sink, message) => {
    const map = mapOf(message[localName]);
    for (const name of Object.keys(map)) entry(sink, [name, map[name]] as never);
  };
}

const NO_LIST: never[] = [];
const NO_MAP = {};

function listOf(list: unknown): readonly never[] {
  if (list === undefined || list === null) return NO_LIST;
  expect(Array.isArray(list));
  return list as never[];
}

function mapOf(map: unknown): Readonly<Record<string, unknown>> {
  if (map === undefined || map === null) return NO_MAP;
  expect(typeof map === "object");
  return map as Record<string, unknown>;
}

function tagged(number: number, wire: number, write: Write): Write {
  const tag = (number << 3) | wire;
  if (tag > 0x7f) {
    return (sink, value) => {
      sink.uint32(tag);
      write(sink, value);
    };
  }
  return (sink, value) => {
    sink.byte(tag);
    write(sink, value);
  };
}

/** Returns the function that writes one value of a field, without its tag. */
function valueWriter({ message, enum: isEnum, scalar }: DescField): Write {
  if (message !== undefined) {
    const encode = encoderOf(message);
    return (sink, value: Message) => {
      expect(typeof value === "object" && value !== null);
      const start = sink.fork();
      encode(sink, value);
      sink.join(start);
    };
  }
  return scalarOf(isEnum === undefined ? scalar : ScalarType.INT32).write;
}

function wireOf({ message, enum: isEnum, scalar }: DescField): number {
  if (message !== undefined) return LENGTH;
  return scalarOf(isEnum === undefined ? scalar : ScalarType.INT32).wire;
}

function scalarOf(type: ScalarType | undefined) {
  const found = type === undefined ? undefined : SCALARS.get(type);
  if (found === undefined) throw new UnsupportedError();
  return found;
}
