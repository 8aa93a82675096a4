import { type DecodeLimits, MalformedError } from "../decode-error.js";

/** A text of at most this many bytes is checked for ASCII byte by byte, which it nearly always is. */
const SHORT_TEXT = 128;

/** Nesting of unknown groups that is skipped. */
const MAX_GROUPS = 32;

// A byte order mark is a character like any other here.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads what protobuf's wire format is made of. Throws a MalformedError for bytes that are none of it. */
export class ByteSource {
  readonly #bytes: Buffer;
  readonly limits: DecodeLimits;
  /** Where the next byte is. */
  at = 0;
  /** How many more entries all maps of the message may have: as many as a list may have jobs with all their metadata. */
  mapEntriesLeft: number;
  /** How many more JSON values the message may have. */
  valuesLeft: number;
  /** Whether something was skipped, or came twice: what was read says less than the bytes. */
  isUnusual = false;

  constructor(bytes: Uint8Array, limits: DecodeLimits) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.limits = limits;
    this.valuesLeft = limits.messageValues;
    this.mapEntriesLeft = limits.mapEntries;
  }

  /** All bytes of the source. */
  get body(): Uint8Array {
    return this.#bytes;
  }

  /** A varint without a sign; of a longer one, the lowest 32 bits. */
  uint32(): number {
    let result = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    const byte = this.#byte();
    result = (result | ((byte & 0x0f) << 28)) >>> 0;
    if (byte >= 0x80) this.#endOfVarint();
    return result;
  }

  /** A varint of 32 bits with a sign; negative numbers take ten bytes. */
  int32(): number {
    return this.uint32() | 0;
  }

  /** A varint of 64 bits with a sign. */
  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  /** A varint of 64 bits without a sign. */
  uint64(): bigint {
    let low = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = this.#byte();
      low += (byte & 0x7f) * factor;
      if (byte < 0x80) return BigInt(low);
    }
    let result = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, result);
    }
    throw new MalformedError("has a number of more than ten bytes");
  }

  bool(): boolean {
    let result = false;
    for (let count = 0; count < 10; count++) {
      const byte = this.#byte();
      if ((byte & 0x7f) !== 0) result = true;
      if (byte < 0x80) return result;
    }
    throw new MalformedError("has a number of more than ten bytes");
  }

  double(): number {
    this.#need(8);
    this.at += 8;
    return this.#bytes.readDoubleLE(this.at - 8);
  }

  /** A length; returns where that many bytes end. */
  end(): number {
    const length = this.uint32();
    this.#need(length);
    return this.at + length;
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

  /** Passes over the field of this tag. */
  skip(tag: number, groups = 0): void {
    this.isUnusual = true;
    if (tag >>> 3 === 0) throw new MalformedError("has a field with the number 0");
    switch (tag & 7) {
      case 0:
        this.uint64();
        return;
      case 1:
        this.#need(8);
        this.at += 8;
        return;
      case 2:
        this.at = this.end();
        return;
      case 3:
        this.#skipGroup(tag, groups + 1);
        return;
      case 5:
        this.#need(4);
        this.at += 4;
        return;
      default:
        throw new MalformedError("has a field of an unknown kind");
    }
  }

  #skipGroup(start: number, groups: number): void {
    if (groups > MAX_GROUPS) throw new MalformedError("has too many unknown groups within each other");
    const end = start + 1;
    for (let tag = this.uint32(); tag !== end; tag = this.uint32()) this.skip(tag, groups);
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new MalformedError("is cut off");
    return byte;
  }

  #endOfVarint(): void {
    for (let count = 0; count < 5; count++) if (this.#byte() < 0x80) return;
    throw new MalformedError("has a number of more than ten bytes");
  }

  #need(count: number): void {
    if (this.at + count > this.#bytes.length) throw new MalformedError("is cut off");
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new MalformedError("is not valid UTF-8");
  }
}
