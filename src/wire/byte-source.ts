import { UnsupportedError } from "./unsupported-error.js";

/** A text of at most this many bytes is checked for ASCII byte by byte, which it nearly always is. */
const SHORT_TEXT = 128;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads protobuf's wire format. Throws `UnsupportedError` where something is unusual or wrong. */
export class ByteSource {
  readonly #bytes: Buffer;
  /** Offset of the next byte. */
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** All bytes of the source. */
  get body(): Uint8Array {
    return this.#bytes;
  }

  /** Reads a varint of at most 32 bits. */
  uint32(): number {
    const bytes = this.#bytes;
    let result = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[this.at++];
      if (byte === undefined) throw new UnsupportedError();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    const last = bytes[this.at++];
    if (last === undefined || last > 0x0f) throw new UnsupportedError();
    return (result | (last << 28)) >>> 0;
  }

  /** Reads a varint of at most 49 bits, unsigned; anything larger is left to the library. */
  int64(): bigint {
    const bytes = this.#bytes;
    let result = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = bytes[this.at++];
      if (byte === undefined) throw new UnsupportedError();
      result += (byte & 0x7f) * factor;
      if (byte < 0x80) return BigInt(result);
    }
    throw new UnsupportedError();
  }

  /** Reads a varint of at most 31 bits, not negative; negative numbers are rare and left to the library. */
  int32(): number {
    const value = this.uint32();
    if (value > 0x7fffffff) throw new UnsupportedError();
    return value;
  }

  bool(): boolean {
    const value = this.uint32();
    if (value > 1) throw new UnsupportedError();
    return value === 1;
  }

  double(): number {
    if (this.at + 8 > this.#bytes.length) throw new UnsupportedError();
    this.at += 8;
    return this.#bytes.readDoubleLE(this.at - 8);
  }

  /** Reads a length and returns the offset at which that many bytes end. */
  end(): number {
    const length = this.uint32();
    const end = this.at + length;
    if (end > this.#bytes.length) throw new UnsupportedError();
    return end;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const end = this.end();
    const part = this.#bytes.subarray(this.at, end);
    this.at = end;
    return part as Uint8Array<ArrayBuffer>;
  }

  text(): string {
    const end = this.end();
    const start = this.at;
    this.at = end;
    if (end - start > SHORT_TEXT) return decode(this.#bytes.subarray(start, end));
    for (let index = start; index < end; index++) {
      if ((this.#bytes[index] ?? 0) > 0x7f) return decode(this.#bytes.subarray(start, end));
    }
    return this.#bytes.toString("latin1", start, end);
  }
}

function decode(bytes: Uint8Array): string {
  // The decoder drops a byte order mark, but these bytes may be copied into an answer as they are, and the mark with
  // them.
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) throw new UnsupportedError();
  try {
    return decoder.decode(bytes);
  } catch {
    throw new UnsupportedError();
  }
}
