import type { ByteSink } from "./byte-sink.js";

/** Larger bodies are not kept for it. */
const MAX_BODY_BYTES = 1 << 16;

const NOTHING = Buffer.alloc(0);

let text: string | undefined;
let body: Uint8Array = NOTHING;
let start = 0;
let end = 0;

/**
 * Remembers how the google.protobuf.Value that was read last stood in a body: the answer to a create says it again, and
 * need not be made anew of its text.
 */
export function rememberValue(newText: string, newBody: Uint8Array, newStart: number, newEnd: number): void {
  if (newBody.byteLength > MAX_BODY_BYTES) return;
  text = newText;
  body = newBody;
  start = newStart;
  end = newEnd;
}

/** Writes the Value of this text, if it is the one that was read last. */
export function writeRemembered(sink: ByteSink, wanted: string): boolean {
  if (wanted !== text) return false;
  sink.part(body, start, end);
  return true;
}
