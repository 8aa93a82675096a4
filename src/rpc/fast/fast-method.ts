import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { type Compression, createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { fieldInvalid, type TaskQueueError } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { readBinary, readBinaryInSteps } from "../../wire/binary/binary-decoder.js";
import { binaryEncoderOf } from "../../wire/binary/binary-encoder.js";
import { ByteSink } from "../../wire/binary/byte-sink.js";
import { DecodeError } from "../../wire/decode-error.js";
import { readJson, readJsonInSteps } from "../../wire/json/json-decoder.js";
import { jsonEncoderOf } from "../../wire/json/json-encoder.js";
import { checkJsonFields } from "../../wire/json/json-fields.js";
import { isSupported } from "../../wire/supported.js";
import { UnsupportedError } from "../../wire/unsupported-error.js";
import { BINARY_OPTIONS, DECODE_LIMITS, JSON_OPTIONS, type WireOptions } from "../wire-options.js";
import type { CallContext } from "./call-context.js";
import { isScan } from "./call-size.js";

/** Bytes and messages of one method in one encoding. */
export interface Codec {
  /** Reads a message. FIELD_INVALID for bytes that are none, or exceed a limit; the fields are named. */
  parse(bytes: Uint8Array): Message;
  /** The same in steps of about a ms, as far as it can be cut, for messages that are large. */
  parseInSteps(bytes: Uint8Array): Generator<void, Message>;
  /**
   * Returns the bytes of a message after `room` free bytes. The message may be the partial one that a service returns.
   */
  serialize(message: Message, room: number): Uint8Array<ArrayBuffer>;
  /** Returns a message as text (the bytes in UTF-8). Undefined for an encoding that is not text. */
  readonly toText: ((message: Message) => string) | undefined;
  /**
   * Encoded messages of events that many watchers get, by event: each is encoded once for all of them who get it as this function
   * makes it.
   */
  sharedBy(toMessage: object): WeakMap<object, Uint8Array<ArrayBuffer>>;
}

/** A method as the fast path runs it. */
export interface FastMethod {
  /** The full name, as in `gotaskq.v1.JobService/GetJob`. */
  readonly name: string;
  readonly isStream: boolean;
  /** Whether its calls ask for much whatever the size of their messages; see `isScan`. */
  readonly isScan: boolean;
  /** Bytes of a message of a client, decompressed. */
  readonly readMaxBytes: number;
  readonly binary: Codec;
  readonly json: Codec;
  /** The implementation. Returns a message, a promise of one, or a stream of messages. */
  readonly run: (input: Message, context: CallContext) => unknown;
}

/** How an answer may be compressed; null: not at all. */
export type Negotiated = Compression | null;

/** Bytes of an answer: all that an envelope can hold. */
const WRITE_MAX_BYTES = 0xffffffff;

/** Shared by all codecs: only one message is written at a time. */
const sink = new ByteSink();

/** Makes a method of its description and implementation; undefined when its kind is left to connect. */
export function createFastMethod(
  desc: DescMethod,
  run: FastMethod["run"],
  { readMaxBytes = LIMITS.messageBytes, registry }: WireOptions,
): FastMethod | undefined {
  if (desc.methodKind !== "unary" && desc.methodKind !== "server_streaming") return undefined;
  const limits = { readMaxBytes, writeMaxBytes: WRITE_MAX_BYTES };
  const jsonOptions = { ...JSON_OPTIONS, ...(registry && { registry }) };
  const lookup = createMethodSerializationLookup(desc, BINARY_OPTIONS, jsonOptions, limits);
  const name = `${desc.parent.typeName}/${desc.name}`;
  return {
    name,
    isScan: isScan(name),
    isStream: desc.methodKind === "server_streaming",
    readMaxBytes,
    binary: createCodec(desc, lookup, true),
    json: createCodec(desc, lookup, false),
    run,
  };
}

type Lookup = ReturnType<typeof createMethodSerializationLookup>;

/** A codec of ours, and that of the library for what ours leaves to it. */
function createCodec(desc: DescMethod, lookup: Lookup, isBinary: boolean): Codec {
  const { read, readInSteps } = readerOf(desc, lookup, isBinary);
  const { output } = desc;
  const binary = isBinary ? binaryEncoderOf(output) : undefined;
  const json = isBinary ? undefined : jsonEncoderOf(output);
  const { serialize } = lookup.getO(isBinary);
  const sharedBy = new WeakMap<object, WeakMap<object, Uint8Array<ArrayBuffer>>>();
  return {
    parse(bytes) {
      try {
        return read(bytes);
      } catch (error) {
        throw badMessage(error);
      }
    },
    *parseInSteps(bytes) {
      try {
        return yield* readInSteps(bytes);
      } catch (error) {
        throw badMessage(error);
      }
    },
    sharedBy(toMessage) {
      let shared = sharedBy.get(toMessage);
      if (shared === undefined) {
        shared = new WeakMap();
        sharedBy.set(toMessage, shared);
      }
      return shared;
    },
    toText: json && ((init) => json(create(output, init))),
    serialize(init, room) {
      if (json !== undefined) return textAfter(json(create(output, init)), room);
      if (binary === undefined) return bytesAfter(serialize(create(output, init)), room);
      try {
        sink.begin(room);
        binary(sink, init as Message);
        return sink.finish();
      } catch (error) {
        if (!(error instanceof UnsupportedError)) throw error;
        return bytesAfter(serialize(create(output, init)), room);
      }
    },
  };
}

/** Reads messages, at once or in steps. */
interface Reader {
  readonly read: (bytes: Uint8Array) => Message;
  readonly readInSteps: (bytes: Uint8Array) => Generator<void, Message>;
}

/** Reads messages by a decoder of ours, or by the library's where a message has fields of a kind that ours do not know. */
function readerOf({ input }: DescMethod, lookup: Lookup, isBinary: boolean): Reader {
  if (!isSupported(input)) {
    const { parse } = lookup.getI(isBinary);
    return {
      read: parse,
      // biome-ignore lint/correctness/useYield: the library reads a message at once
      *readInSteps(bytes) {
        return parse(bytes);
      },
    };
  }
  const [read, readInSteps] = isBinary ? [readBinary, readBinaryInSteps] : [readJson, readJsonInSteps];
  return {
    read: (bytes) => read(input, bytes, DECODE_LIMITS),
    *readInSteps(bytes) {
      const message = yield* readInSteps(input, bytes, DECODE_LIMITS);
      yield* checkJsonFields(input, message, DECODE_LIMITS);
      return message;
    },
  };
}

/** The error for bytes that are no message: FIELD_INVALID. */
export function badMessage(error: unknown): TaskQueueError {
  if (error instanceof DecodeError) return fieldInvalid(error.fields, error.more);
  const description = error instanceof ConnectError ? error.rawMessage : String(error);
  return fieldInvalid([{ field: "request", description: description.toWellFormed() }]);
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
