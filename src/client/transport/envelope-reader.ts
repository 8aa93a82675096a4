/** A message as it stands in the body of a stream. */
export interface Envelope {
  readonly flags: number;
  /** A part of what was received: whoever keeps it keeps more than it. */
  readonly data: Uint8Array;
}

/** Bytes before each message: one of flags, four of its length. */
const ENVELOPE_BYTES = 5;

/** Cuts the body of a stream into envelopes, in whatever pieces it arrives. */
export class EnvelopeReader {
  /** Pieces that are not read, of the first one those from `#at` on. */
  readonly #pieces: Buffer[] = [];
  #at = 0;
  #size = 0;

  /** Bytes that are not read. */
  get size(): number {
    return this.#size;
  }

  /** Adds what has arrived. */
  add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#size += piece.byteLength;
  }

  /** The next envelope; undefined while it is not complete. */
  next(): Envelope | undefined {
    const head = this.#head();
    if (head === undefined) return undefined;
    const flags = head.readUInt8(this.#at);
    const length = head.readUInt32BE(this.#at + 1);
    if (this.#size < ENVELOPE_BYTES + length) return undefined;
    this.#take(ENVELOPE_BYTES);
    return { flags, data: this.#take(length) };
  }

  /** A piece that has all bytes of a head from `#at` on. */
  #head(): Buffer | undefined {
    if (this.#size < ENVELOPE_BYTES) return undefined;
    const [first] = this.#pieces;
    if (first === undefined || first.byteLength - this.#at >= ENVELOPE_BYTES) return first;
    const whole = this.#take(this.#size);
    this.add(whole);
    return whole;
  }

  #take(length: number): Buffer {
    this.#size -= length;
    const [first] = this.#pieces;
    if (first !== undefined && first.byteLength - this.#at > length) {
      this.#at += length;
      return first.subarray(this.#at - length, this.#at);
    }
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const piece = this.#pieces[0] as Buffer;
      const end = Math.min(piece.byteLength, this.#at + left);
      parts.push(piece.subarray(this.#at, end));
      left -= end - this.#at;
      this.#at = end;
      if (end < piece.byteLength) break;
      this.#pieces.shift();
      this.#at = 0;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }
}
