import type { ByteSink } from "./byte-sink.js";

/** A body larger than this, in bytes, is not kept in memory for this purpose. */
const MAX_BODY_BYTES = 1 << 16;

const NOTHING = Buffer.alloc(0);

let text: string | undefined;
let body: Uint8Array = NOTHING;
let start = 0;
let end = 0;

/**
 * Remembers the bytes of the google.protobuf.Value that was read last. The answer to a create contains the same payload
 * again, and its bytes can be copied instead of encoded anew from the text.
 */
export function rememberValue(newText: string, newBody: Uint8Array, newStart: number, newEnd: number): void {
  if (newBody.byteLength > MAX_BODY_BYTES) return;
  text = newText;
  body = newBody;
  start = newStart;
  end = newEnd;
}

/** Writes the Value with this JSON text if it is the one that was read last. Returns whether it did. */
export function writeRemembered(sink: ByteSink, wanted: string): boolean {
  if (wanted !== text) return false;
  sink.part(body, start, end);
  return true;
}
