/** A piece below this size is copied: kept as it came, it would hold many times its size. */
const SMALL_BYTES = 1024;

/** How many pieces a body may have, and how small they may be on average beyond that. */
const MAX_PIECES = 512;
const SMALLEST_BYTES = 64;

/** What is gathered of small pieces before they are copied together. */
const FIRST_BYTES = 4096;

/** The pieces of a body as they come, in an amount of memory that goes by their bytes, not by their number. */
export class Pieces {
  #whole: Uint8Array[] = [];
  /** Small pieces that came in a row, and how many bytes of this are filled. */
  #small: Uint8Array | undefined;
  #filled = 0;
  #count = 0;
  size = 0;

  /** Whether they are so many and so small that taking them costs more than a request may: each is a turn of the parser. */
  get areTooMany(): boolean {
    return this.#count > MAX_PIECES + this.size / SMALLEST_BYTES;
  }

  add(piece: Uint8Array): void {
    this.#count++;
    this.size += piece.byteLength;
    // Nearly all bodies are one piece, which is taken as it is.
    if (piece.byteLength >= SMALL_BYTES || this.#whole.length === 0) {
      this.#flush();
      this.#whole.push(piece);
    } else this.#copy(piece);
  }

  /** All of them in one. */
  whole(): Uint8Array {
    this.#flush();
    const [first] = this.#whole;
    return first !== undefined && this.#whole.length === 1 ? first : Buffer.concat(this.#whole, this.size);
  }

  /** Counts a piece that is not kept. */
  skip(piece: Uint8Array): void {
    this.#count++;
    this.size += piece.byteLength;
  }

  /** Lets go of them. */
  clear(): void {
    this.#whole = [];
    this.#small = undefined;
    this.#filled = 0;
    this.size = 0;
  }

  #copy(piece: Uint8Array): void {
    const needed = this.#filled + piece.byteLength;
    if (this.#small === undefined || needed > this.#small.byteLength) {
      const larger = new Uint8Array(Math.max(FIRST_BYTES, 2 * needed));
      if (this.#small !== undefined) larger.set(this.#small.subarray(0, this.#filled));
      this.#small = larger;
    }
    this.#small.set(piece, this.#filled);
    this.#filled = needed;
  }

  #flush(): void {
    if (this.#small === undefined) return;
    this.#whole.push(this.#small.subarray(0, this.#filled));
    this.#small = undefined;
    this.#filled = 0;
  }
}
