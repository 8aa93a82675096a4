import type { Readable } from "node:stream";

/** How often bodies that are late are looked for, ms. */
const SWEEP_MS = 1000;

/** How the reading of a body ended. */
export type BodyOutcome =
  | { readonly kind: "WHOLE"; readonly bytes: Uint8Array }
  /** It has more bytes than this method takes. What is left of it must be discarded. */
  | { readonly kind: "TOO_LARGE" }
  /** Its end did not come in time. */
  | { readonly kind: "LATE" }
  /** All bodies under way together are too large, and this one has been under way for longest. */
  | { readonly kind: "CROWDED" };

/** Settings of a reader. */
export interface BodyReaderOptions {
  /** How long a body may take to arrive, ms. */
  readonly timeoutMs: number;
  /** Bytes that all bodies under way may have together. */
  readonly maxBytes: number;
}

/** A body that is being read or discarded. */
interface Pending {
  readonly source: Readable;
  readonly startedAt: number;
  chunks: Uint8Array[];
  size: number;
  readonly end: (outcome: BodyOutcome) => void;
}

/**
 * Reads the bodies of requests, bounded in bytes and in time: each one, and all of them together. A client that sends
 * slowly, or never ends, holds a bounded part of the memory for a bounded time. Silent when a client leaves.
 */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  /** In the order in which they began. */
  readonly #pending = new Set<Pending>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BodyReaderOptions) {
    this.#options = options;
  }

  /** Reads a body of at most `limit` bytes, and calls `done` once, unless the client leaves before. */
  read(source: Readable, limit: number, done: (outcome: BodyOutcome) => void): void {
    const pending: Pending = {
      source,
      startedAt: performance.now(),
      chunks: [],
      size: 0,
      end: (outcome) => {
        this.#forget(pending);
        source.off("data", take);
        source.off("end", whole);
        done(outcome);
      },
    };
    const whole = () => pending.end({ kind: "WHOLE", bytes: bytesOf(pending) });
    const take = (chunk: Uint8Array) => {
      pending.chunks.push(chunk);
      pending.size += chunk.byteLength;
      this.#bytes += chunk.byteLength;
      if (pending.size > limit) pending.end({ kind: "TOO_LARGE" });
      else if (this.#bytes > this.#options.maxBytes) this.#makeRoom();
    };
    this.#add(pending);
    source.on("data", take);
    source.on("end", whole);
  }

  /**
   * Throws away, as it comes, the body of a request that is refused already; left where it is, it would keep the next ones of
   * its connection waiting. Calls `late` if its end does not come in time.
   */
  discard(source: Readable, late: () => void): void {
    const ended = () => this.#forget(pending);
    const pending: Pending = {
      source,
      startedAt: performance.now(),
      chunks: [],
      size: 0,
      end: () => {
        this.#forget(pending);
        source.off("end", ended);
        late();
      },
    };
    this.#add(pending);
    source.on("end", ended);
    source.resume();
  }

  #add(pending: Pending): void {
    this.#pending.add(pending);
    this.#timer ??= setTimeout(() => this.#sweep(), SWEEP_MS).unref();
  }

  #forget(pending: Pending): void {
    if (!this.#pending.delete(pending)) return;
    this.#bytes -= pending.size;
    pending.chunks = [];
  }

  /** Ends the bodies that have been under way for longest, until the others fit. */
  #makeRoom(): void {
    for (const pending of this.#pending) {
      if (pending.source.destroyed) this.#forget(pending);
    }
    for (const pending of this.#pending) {
      if (this.#bytes <= this.#options.maxBytes) return;
      if (pending.size > 0) pending.end({ kind: "CROWDED" });
    }
  }

  /** Ends the bodies that are late, and forgets those whose clients have left. */
  #sweep(): void {
    const now = performance.now();
    for (const pending of this.#pending) {
      if (pending.source.destroyed) this.#forget(pending);
      else if (now - pending.startedAt >= this.#options.timeoutMs) pending.end({ kind: "LATE" });
    }
    this.#timer = this.#pending.size === 0 ? undefined : setTimeout(() => this.#sweep(), SWEEP_MS).unref();
  }
}

function bytesOf({ chunks, size }: Pending): Uint8Array {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks, size);
}
