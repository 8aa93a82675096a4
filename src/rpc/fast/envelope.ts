import { compressedFlag, encodeEnvelope as copyIntoEnvelope } from "@connectrpc/connect/protocol";
import type { Negotiated } from "./fast-method.js";

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

/**
 * Returns the message of a body that is exactly one envelope with no flag but that of compression; otherwise undefined.
 */
export function fromEnvelope(
  bytes: Uint8Array,
): { readonly isCompressed: boolean; readonly data: Uint8Array } | undefined {
  const [flags = 0] = bytes;
  if (bytes.byteLength < ENVELOPE_BYTES || (flags & ~compressedFlag) !== 0) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1);
  if (length !== bytes.byteLength - ENVELOPE_BYTES) return undefined;
  return { isCompressed: flags === compressedFlag, data: bytes.subarray(ENVELOPE_BYTES) };
}
