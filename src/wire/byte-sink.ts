/** Texts up to this length are copied character by character while they are ASCII. */
const SHORT_TEXT = 40;

/** Most bytes of a character in UTF-8, by UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;

/** A buffer larger than this is not kept for the next message. */
const KEEP_BYTES = 1 << 20;

/** Where messages are written, one after the other: what protobuf's wire format is made of. */
export class ByteSink {
  #bytes = Buffer.allocUnsafe(1 << 14);
  #at = 0;

  /** Begins a message, after `room` bytes that stay free. */
  begin(room: number): void {
    this.#at = room;
  }

  /** The message, in a buffer of its own. */
  finish(): Buffer<ArrayBuffer> {
    const length = this.#at;
    const result = Buffer.allocUnsafe(length);
    this.#bytes.copy(result, 0, 0, length);
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = Buffer.allocUnsafe(1 << 14);
    return result;
  }

  /** A byte: a short tag or a bool. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** A whole number of at most 32 bits, without a sign. */
  uint32(value: number): void {
    this.#reserve(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  /** A whole number of at most 64 bits; a negative one takes ten bytes. */
  int64(value: bigint): void {
    this.#reserve(10);
    if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) {
      let rest = Number(value);
      while (rest > 0x7f) {
        this.#bytes[this.#at++] = (rest % 128) + 128;
        rest = Math.floor(rest / 128);
      }
      this.#bytes[this.#at++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  /** A whole number of at most 32 bits, with a sign. */
  int32(value: number): void {
    if (value >= 0) this.uint32(value);
    else this.int64(BigInt(value));
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** A part of other bytes, as it is. */
  part(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#bytes.set(bytes.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  /** A length and so many bytes. */
  bytes(value: Uint8Array): void {
    this.uint32(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  /** A length and a text in UTF-8. */
  text(value: string): void {
    const { length } = value;
    this.#reserve(length * MAX_BYTES_PER_UNIT + 5);
    if (length <= SHORT_TEXT && this.#ascii(value, length)) return;
    const start = this.fork();
    this.#at += this.#bytes.write(value, this.#at);
    this.join(start);
  }

  /** Begins what has its length before it; its end is `join` with the answer. */
  fork(): number {
    this.#reserve(1);
    return ++this.#at;
  }

  join(start: number): void {
    const length = this.#at - start;
    if (length <= 0x7f) {
      this.#bytes[start - 1] = length;
      return;
    }
    const extra = length < 1 << 14 ? 1 : length < 1 << 21 ? 2 : length < 1 << 28 ? 3 : 4;
    this.#reserve(extra);
    this.#bytes.copyWithin(start + extra, start, this.#at);
    const end = this.#at + extra;
    this.#at = start - 1;
    this.uint32(length);
    this.#at = end;
  }

  #ascii(value: string, length: number): boolean {
    const start = this.#at + 1;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      this.#bytes[start + index] = code;
    }
    this.#bytes[this.#at] = length;
    this.#at = start + length;
    return true;
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
