/** All fields of a type, the optional ones too: what reads it back from a frame forgets none, or does not compile. */
export type Whole<T> = { [Name in keyof Required<T>]: T[Name] };

/** A payload as frames have it; null: there is none. */
export type WrittenPayload = string | Uint8Array | null;

/** Reads a payload. Bytes come as Node's own kind of array, a copy that nothing else is in. */
export function readPayload(written: WrittenPayload): string | Uint8Array | undefined {
  if (written === null) return undefined;
  if (typeof written === "string") return written;
  return new Uint8Array(written.buffer, written.byteOffset, written.byteLength);
}

/** Names and values that users chose, as JSON: keys of frames are ours alone. Null: there are none. */
export type WrittenMetadata = string | null;

export function writeMetadata(metadata: Readonly<Record<string, string>>): WrittenMetadata {
  for (const _ in metadata) return JSON.stringify(metadata);
  return null;
}

export function readMetadata(written: WrittenMetadata): Readonly<Record<string, string>> {
  return written === null ? {} : JSON.parse(written);
}
