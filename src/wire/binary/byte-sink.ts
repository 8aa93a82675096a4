/** A text of at most this many characters is copied character by character as long as it is ASCII. */
const SHORT_TEXT = 40;

/** Most bytes in UTF-8 per UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;

/** A buffer larger than this, in bytes, is not kept for the next message. */
const KEEP_BYTES = 1 << 20;

/** A growing buffer into which messages are written, one after the other, in protobuf's wire format. */
export class ByteSink {
  #bytes = Buffer.allocUnsafe(1 << 14);
  #at = 0;

  /** Begins a message after `room` bytes, which stay free for the caller. */
  begin(room: number): void {
    this.#at = room;
  }

  /** Returns a copy of the message, with the free bytes before it. */
  finish(): Buffer<ArrayBuffer> {
    const length = this.#at;
    const result = Buffer.allocUnsafe(length);
    this.#bytes.copy(result, 0, 0, length);
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = Buffer.allocUnsafe(1 << 14);
    return result;
  }

  /** Writes one byte: a short tag or a bool. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** Writes a varint of an unsigned integer of at most 32 bits. */
  uint32(value: number): void {
    this.#reserve(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  /** Writes a varint of an integer of at most 64 bits; a negative one takes ten bytes. */
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

  /** Writes a varint of a signed integer of at most 32 bits; a negative one takes ten bytes. */
  int32(value: number): void {
    if (value >= 0) this.uint32(value);
    else this.int64(BigInt(value));
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** Copies the bytes from `start` to `end`, without a length. */
  part(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#bytes.set(bytes.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  /** Writes the length of the bytes, then the bytes. */
  bytes(value: Uint8Array): void {
    this.uint32(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  /** Writes the length of a text in UTF-8, then the text. */
  text(value: string): void {
    const { length } = value;
    this.#reserve(length * MAX_BYTES_PER_UNIT + 5);
    if (length <= SHORT_TEXT && this.#ascii(value, length)) return;
    const start = this.fork();
    this.#at += this.#bytes.write(value, this.#at);
    this.join(start);
  }

  /** Begins content whose length goes before it. Pass the result to `join` at the end of the content. */
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
