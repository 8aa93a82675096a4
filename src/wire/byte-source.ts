import { UnsupportedError } from "./unsupported-error.js";

/** Texts up to this length are looked at byte by byte, and mostly found to be ASCII. */
const SHORT_TEXT = 128;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads a message: what protobuf's wire format is made of. Throws `UnsupportedError` where something is unusual or wrong. */
export class ByteSource {
  readonly #bytes: Buffer;
  /** Where the next byte is. */
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** All that is read. */
  get body(): Uint8Array {
    return this.#bytes;
  }

  /** A varint of at most 32 bits. */
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

  /** A varint of at most 53 bits, without a sign. */
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

  /** A varint of at most 31 bits: negative numbers are rare. */
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

  /** A length; answers where that many bytes end. */
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
  // The decoder drops a byte order mark; what is written again of these bytes must not have one either.
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) throw new UnsupportedError();
  try {
    return decoder.decode(bytes);
  } catch {
    throw new UnsupportedError();
  }
}
