import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag, encodeEnvelope as copyIntoEnvelope } from "@connectrpc/connect/protocol";
import { messageTooLarge } from "../../model/common/errors.js";
import type { FastMethod, Negotiated } from "./fast-method.js";

/** Length of an envelope's header, bytes: one of flags, four of length. */
export const ENVELOPE_BYTES = 5;

/** Messages smaller than this, in bytes, are not worth compressing. The same as connect's default. */
const COMPRESS_FROM_BYTES = 1024;

/** Whether a message is sent compressed. */
export function isWorthCompressing(compression: Negotiated, data: Uint8Array): compression is NonNullable<Negotiated> {
  return compression !== null && data.byteLength >= COMPRESS_FROM_BYTES;
}

/**
 * Puts a message in its envelope, compressed if that was negotiated and is worth it. Returns a promise only when it
 * compresses.
 */
export function toEnvelope(
  flags: number,
  data: Uint8Array<ArrayBuffer>,
  compression: Negotiated,
): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
  if (!isWorthCompressing(compression, data)) return copyIntoEnvelope(flags, data);
  return compression.compress(data).then((bytes) => copyIntoEnvelope(flags | compressedFlag, bytes));
}

/**
 * Like `toEnvelope`, for a message with `ENVELOPE_BYTES` free bytes before it: the envelope is written there, without a
 * copy.
 */
export function encodeEnvelope(
  bytes: Uint8Array<ArrayBuffer>,
  compression: Negotiated,
): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
  const length = bytes.byteLength - ENVELOPE_BYTES;
  if (compression !== null && length >= COMPRESS_FROM_BYTES) {
    return toEnvelope(0, bytes.subarray(ENVELOPE_BYTES), compression);
  }
  bytes[0] = 0;
  bytes[1] = length >>> 24;
  bytes[2] = length >>> 16;
  bytes[3] = length >>> 8;
  bytes[4] = length;
  return bytes;
}

/** The one message of a body of envelopes. Throws when there is none, or more, or it says that it is too large. */
export function fromEnvelope(
  bytes: Uint8Array,
  { isStream, readMaxBytes }: Pick<FastMethod, "isStream" | "readMaxBytes">,
): { readonly isCompressed: boolean; readonly data: Uint8Array } {
  const method = isStream ? "server-streaming method" : "unary method";
  if (bytes.byteLength === 0) {
    throw new ConnectError(`protocol error: missing input message for ${method}`, Code.Unimplemented);
  }
  const end = endOfEnvelope(bytes, 0, readMaxBytes);
  const [flags = 0] = bytes;
  if ((flags & ~compressedFlag) !== 0) {
    throw new ConnectError(`protocol error: unexpected flags ${flags}`, Code.InvalidArgument);
  }
  if (end < bytes.byteLength) {
    endOfEnvelope(bytes, end, readMaxBytes);
    throw new ConnectError(`protocol error: received extra input message for ${method}`, Code.Unimplemented);
  }
  return { isCompressed: flags === compressedFlag, data: bytes.subarray(ENVELOPE_BYTES) };
}

/** Where the envelope ends that begins at `at`. */
function endOfEnvelope(bytes: Uint8Array, at: number, maxBytes: number): number {
  const left = bytes.byteLength - at;
  if (left < ENVELOPE_BYTES) throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
  const length = new DataView(bytes.buffer, bytes.byteOffset + at, ENVELOPE_BYTES).getUint32(1);
  if (length > maxBytes) throw messageTooLarge(maxBytes);
  if (length > left - ENVELOPE_BYTES) {
    const message = `protocol error: promised ${length} bytes in enveloped message, got ${left - ENVELOPE_BYTES} bytes`;
    throw new ConnectError(message, Code.InvalidArgument);
  }
  return at + ENVELOPE_BYTES + length;
}
