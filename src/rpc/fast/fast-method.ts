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

/** Parses and serializes the messages of one method in one encoding. Both throw what connect throws. */
export interface Codec {
  parse(bytes: Uint8Array): Message;
  /**
   * Returns the bytes of a message after `room` free bytes. The message may be the partial one that a service returns.
   */
  serialize(message: Message, room: number): Uint8Array<ArrayBuffer>;
  /** Returns a message as text (the bytes in UTF-8). Undefined for an encoding that is not text. */
  readonly toText: ((message: Message) => string) | undefined;
  /** Encoded messages of events that many watchers get, by event: each is encoded once for all of them. */
  readonly shared: WeakMap<object, Uint8Array<ArrayBuffer>>;
}

/** A method as the fast path runs it. */
export interface FastMethod {
  /** The full name, as in `gotaskq.v1.JobService/GetJob`. */
  readonly name: string;
  readonly isStream: boolean;
  readonly binary: Codec;
  readonly json: Codec;
  /** The implementation. Returns a message, a promise of one, or a stream of messages. */
  readonly run: (input: Message, context: CallContext) => unknown;
}

/** How an answer may be compressed; null: not at all. */
export type Negotiated = Compression | null;

const LIMIT = { readMaxBytes: LIMITS.messageBytes, writeMaxBytes: 0xffffffff };

/** Shared by all codecs: only one message is written at a time. */
const sink = new ByteSink();

/**
 * Creates a method from its descriptor and implementation. Undefined for kinds of streaming that are left to connect.
 */
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

/**
 * Returns the message, or undefined if it must be left to the library because something in the bytes is unusual or
 * wrong.
 */
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
