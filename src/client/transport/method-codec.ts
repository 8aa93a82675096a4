import { create, type DescMessage, type DescMethod, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { readBinary } from "../../wire/binary/binary-decoder.js";
import { binaryEncoderOf } from "../../wire/binary/binary-encoder.js";
import { ByteSink } from "../../wire/binary/byte-sink.js";
import { DecodeError, type DecodeLimits } from "../../wire/decode-error.js";
import { isSupported } from "../../wire/supported.js";
import { UnsupportedError } from "../../wire/unsupported-error.js";

/** The messages of one method in binary. */
export interface MethodCodec {
  /** Writes a request. Takes what `create` takes. Throws a ConnectError for what is no message. */
  encode(input: object): Uint8Array<ArrayBuffer>;
  /** Reads a response. Throws a ConnectError for bytes that are none. */
  decode(bytes: Uint8Array): Message;
}

/** Deepest nesting of messages that is read: more than a payload of the server can have. */
export const BINARY_OPTIONS = { recursionLimit: 1000 };

/** The server is trusted not to send more than a client can take. */
const LIMITS: DecodeLimits = {
  depth: BINARY_OPTIONS.recursionLimit,
  values: Number.POSITIVE_INFINITY,
  messageValues: Number.POSITIVE_INFINITY,
  mapEntries: Number.POSITIVE_INFINITY,
  entries: Number.POSITIVE_INFINITY,
};

const NO_LIMITS = { readMaxBytes: 0xffff_ffff, writeMaxBytes: 0xffff_ffff };

const sink = new ByteSink();

/** Returns the codec of a method; undefined when its messages have fields of kinds that the codecs of ours do not know. */
export function createMethodCodec(method: DescMethod): MethodCodec | undefined {
  const { input, output } = method;
  const write = binaryEncoderOf(input);
  if (write === undefined || !isSupported(input) || !isSupported(output)) return undefined;
  // What ours refuse, the library decides: it says what is wrong as it does for every client.
  const library = createMethodSerializationLookup(method, BINARY_OPTIONS, undefined, NO_LIMITS);
  return {
    encode(message) {
      try {
        sink.begin(0);
        write(sink, message as Message);
        return sink.finish();
      } catch (error) {
        if (!(error instanceof UnsupportedError)) throw error;
        const init = message as MessageInitShape<DescMessage>;
        return library.getI(true).serialize(create(input, init));
      }
    },
    decode(bytes) {
      try {
        return readBinary(output, bytes, LIMITS);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        return library.getO(true).parse(bytes);
      }
    },
  };
}
