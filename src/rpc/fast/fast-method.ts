import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { type Compression, createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { LIMITS } from "../../model/limits.js";
import { isDeeper } from "../../model/text.js";
import { binaryDecoderOf, readBinary } from "../../wire/binary-decoder.js";
import { binaryEncoderOf } from "../../wire/binary-encoder.js";
import { ByteSink } from "../../wire/byte-sink.js";
import { jsonDecoderOf, readJson } from "../../wire/json-decoder.js";
import { jsonEncoderOf } from "../../wire/json-encoder.js";
import { UnsupportedError } from "../../wire/unsupported-error.js";
import { BINARY_OPTIONS, JSON_OPTIONS } from "../wire-options.js";
import type { CallContext } from "./call-context.js";

/** Bytes and messages of one method in one encoding. Each throws what connect throws. */
export interface Codec {
  parse(bytes: Uint8Array): Message;
  /** A message after so many free bytes. It may be what a service answers: the beginnings of a message. */
  serialize(message: Message, room: number): Uint8Array<ArrayBuffer>;
  /** A message as the text that its bytes are in UTF-8; undefined when they are no text. */
  readonly toText: ((message: Message) => string) | undefined;
  /** Encoded messages of events that many readers are given, by the event. */
  readonly shared: WeakMap<object, Uint8Array<ArrayBuffer>>;
}

/** One method as the fast path runs it. */
export interface FastMethod {
  /** As in `gotaskq.v1.JobService/GetJob`. */
  readonly name: string;
  readonly isStream: boolean;
  readonly binary: Codec;
  readonly json: Codec;
  /** The implementation: answers a message or a promise of one, or a stream of messages. */
  readonly run: (input: Message, context: CallContext) => unknown;
}

/** How an answer may be compressed; null: not at all. */
export type Negotiated = Compression | null;

const LIMIT = { readMaxBytes: LIMITS.messageBytes, writeMaxBytes: 0xffffffff };

/** Messages are written one at a time. */
const sink = new ByteSink();

/** Makes a method of its description and implementation; undefined when its kind is left to connect. */
export function createFastMethod(desc: DescMethod, run: FastMethod["run"]): FastMethod | undefined {
  if (desc.methodKind !== "unary" && desc.methodKind !== "server_streaming") return undefined;
  return {
    name: `${desc.parent.typeName}/${desc.name}`,
    isStream: desc.methodKind === "server_streaming",
    binary: createCodec(desc, true),
    json: createCodec(desc, false),
    run,
  };
}

function createCodec(desc: DescMethod, isBinary: boolean): Codec {
  const lookup = createMethodSerializationLookup(desc, BINARY_OPTIONS, JSON_OPTIONS, LIMIT);
  const { parse } = lookup.getI(isBinary);
  const read = readerOf(desc, isBinary);
  const { output } = desc;
  const binary = isBinary ? binaryEncoderOf(output) : undefined;
  const json = isBinary ? undefined : jsonEncoderOf(output);
  const { serialize } = lookup.getO(isBinary);
  return {
    parse: (bytes) => (bytes.byteLength <= LIMITS.messageBytes && readOrdinary(read, bytes)) || parse(bytes),
    shared: new WeakMap(),
    toText: json && ((init) => json(create(output, init))),
    serialize(init, room) {
      const message = create(output, init);
      if (json !== undefined) return textAfter(json(message), room);
      if (binary === undefined) return bytesAfter(serialize(message), room);
      sink.begin(room);
      binary(sink, message);
      return sink.finish();
    },
  };
}

const isTooDeep = (text: string): boolean => isDeeper(text, LIMITS.payloadDepth);

function readerOf({ input }: DescMethod, isBinary: boolean): (bytes: Uint8Array) => Message {
  if (isBinary) {
    const decode = binaryDecoderOf(input);
    return (bytes) => readBinary(decode, bytes);
  }
  const decode = jsonDecoderOf(input);
  return (bytes) => readJson(decode, bytes, isTooDeep);
}

/** The message, unless something about the bytes is out of the ordinary. */
function readOrdinary(read: (bytes: Uint8Array) => Message, bytes: Uint8Array): Message | undefined {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

function textAfter(text: string, room: number): Buffer<ArrayBuffer> {
  if (room === 0) return Buffer.from(text);
  const bytes = Buffer.allocUnsafe(room + Buffer.byteLength(text));
  bytes.write(text, room);
  return bytes;
}

function bytesAfter(message: Uint8Array, room: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.allocUnsafe(room + message.byteLength);
  bytes.set(message, room);
  return bytes;
}
