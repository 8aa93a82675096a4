/** Bytes of calls on their way to Redis at the same time: with them even a slow link delays the next call by no more than a moment. */
const MAX_BYTES = 8 * 2 ** 20;

/** Calls of fewer bytes do not wait for their turn. */
const SMALL_BYTES = 16 * 2 ** 10;

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/**
 * Bounds the bytes of the calls that are on their way to Redis. Large ones beyond that wait for their turn, first come, first
 * served, before they are sent: so the time that a call may take counts from when it is sent, and small ones, an extension for
 * instance, are not behind hundreds of megabytes.
 */
export class ByteGate {
  readonly #maxBytes: number;
  #bytes = 0;
  readonly #line: Waiting[] = [];

  /** `maxBytes`: most of them at the same time; a larger call goes alone. */
  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Whether no large call is on its way or waits. */
  get isIdle(): boolean {
    return this.#bytes === 0 && this.#line.length === 0;
  }

  /** Runs `send`, of a call with so many bytes, when it is its turn. */
  pass<T>(bytes: number, send: () => Promise<T>): Promise<T> {
    return bytes < SMALL_BYTES ? send() : this.#passInTurn(bytes, send);
  }

  async #passInTurn<T>(bytes: number, send: () => Promise<T>): Promise<T> {
    if (this.#line.length > 0 || !this.#hasRoom(bytes)) {
      await new Promise<void>((enter) => this.#line.push({ bytes, enter }));
    } else this.#bytes += bytes;
    try {
      return await send();
    } finally {
      this.#bytes -= bytes;
      this.#admit();
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#maxBytes;
  }

  #admit(): void {
    for (let next = this.#line[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#line[0]) {
      this.#line.shift();
      this.#bytes += next.bytes;
      next.enter();
    }
  }
}

/** The gates to a store: one to a server; in a cluster one a queue, as nobody is to wait for the node of another. */
export class ByteGates {
  readonly #isByQueue: boolean;
  readonly #gates = new Map<string, ByteGate>();

  /** `isByQueue`: whether each queue has its own. */
  constructor(isByQueue: boolean) {
    this.#isByQueue = isByQueue;
  }

  /** Runs `send`, a call to this queue, when it is its turn; see `ByteGate`. */
  pass<T>(queue: string, bytes: number, send: () => Promise<T>): Promise<T> {
    return bytes < SMALL_BYTES ? send() : this.#passLarge(this.#isByQueue ? queue : "", bytes, send);
  }

  async #passLarge<T>(key: string, bytes: number, send: () => Promise<T>): Promise<T> {
    const gate = this.#gates.get(key) ?? new ByteGate();
    this.#gates.set(key, gate);
    try {
      return await gate.pass(bytes, send);
    } finally {
      if (gate.isIdle) this.#gates.delete(key);
    }
  }
}
