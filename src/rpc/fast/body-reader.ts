import type { Readable } from "node:stream";
import { type Linked, LinkedList } from "../../model/common/linked-list.js";
import { type ClientConnection, countBody } from "../connection.js";
import { Pieces } from "./pieces.js";

/** How often bodies that are late are looked for, ms. */
const SWEEP_MS = 1000;

/** What part of the room is left to those under way when room is made. */
const ENOUGH_ROOM = 0.98;

/** How the reading of a body ended. */
export type BodyOutcome =
  | { readonly kind: "WHOLE"; readonly bytes: Uint8Array }
  /** It has more bytes than this method takes. What is left of it must be discarded. */
  | { readonly kind: "TOO_LARGE" }
  /** Its end did not come in time. */
  | { readonly kind: "LATE" }
  /** It comes in more and smaller pieces than a body may. */
  | { readonly kind: "SCATTERED" }
  /** All bodies under way together are too many, or too large, and its connection has most of them. */
  | { readonly kind: "CROWDED" };

/** Settings of a reader. */
export interface BodyReaderOptions {
  /** How long a body may take to arrive, ms. */
  readonly timeoutMs: number;
  /** Bodies that may be under way at the same time, being read or discarded. */
  readonly maxBodies: number;
  /** Bytes that all bodies under way may have together. */
  readonly maxBytes: number;
}

/** A body that is being read or discarded. */
interface Pending extends Linked<Pending> {
  readonly source: Readable;
  readonly connection: ClientConnection;
  readonly startedAt: number;
  readonly pieces: Pieces;
  /** Does nothing when it is not under way any more. */
  readonly end: (outcome: BodyOutcome) => void;
}

/**
 * Reads the bodies of requests, bounded in bytes and in time: each one, and all of them together. A client that sends
 * slowly, or never ends, holds a bounded part of the memory for a bounded time, and what others need is taken from the
 * connection that holds most. Silent when a client leaves.
 */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  /** In the order in which they began. */
  readonly #pending = new LinkedList<Pending>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BodyReaderOptions) {
    this.#options = options;
  }

  /** Reads a body of at most `limit` bytes, and calls `done` once, unless the client leaves before. */
  read(source: Readable, connection: ClientConnection, limit: number, done: (outcome: BodyOutcome) => void): void {
    const pieces = new Pieces();
    // An empty body ends without being read, perhaps while it was decided whose call it is.
    if (source.readableEnded) {
      done({ kind: "WHOLE", bytes: pieces.whole() });
      return;
    }
    const pending: Pending = {
      before: undefined,
      after: undefined,
      source,
      connection,
      startedAt: performance.now(),
      pieces,
      end: (outcome) => {
        if (!this.#forget(pending)) return;
        source.off("data", take);
        source.off("end", whole);
        done(outcome);
      },
    };
    const whole = () => pending.end({ kind: "WHOLE", bytes: pieces.whole() });
    const take = (chunk: Uint8Array) => {
      pieces.add(chunk);
      countBody(connection, chunk.byteLength);
      this.#bytes += chunk.byteLength;
      if (pieces.size > limit) pending.end({ kind: "TOO_LARGE" });
      else if (pieces.areTooMany) pending.end({ kind: "SCATTERED" });
      else if (this.#bytes > this.#options.maxBytes) this.#makeRoom("bytes", this.#options.maxBytes);
    };
    source.on("data", take);
    source.on("end", whole);
    this.#add(pending);
  }

  /**
   * Throws away, as it comes, the body of a request that is refused already; left where it is, it would keep the next ones of
   * its connection waiting. Calls `late` if its end does not come in time, or it comes in too many pieces.
   */
  discard(source: Readable, connection: ClientConnection, late: () => void): void {
    if (source.readableEnded) return;
    const seen = new Pieces();
    const ended = () => void this.#forget(pending);
    const skip = (chunk: Uint8Array) => {
      seen.skip(chunk);
      countBody(connection, chunk.byteLength);
      if (seen.areTooMany) pending.end({ kind: "SCATTERED" });
    };
    const pending: Pending = {
      before: undefined,
      after: undefined,
      source,
      connection,
      startedAt: performance.now(),
      pieces: new Pieces(),
      end: () => {
        if (!this.#forget(pending)) return;
        source.off("data", skip).off("end", ended);
        late();
      },
    };
    source.on("data", skip);
    source.on("end", ended);
    this.#add(pending);
  }

  #add(pending: Pending): void {
    this.#pending.add(pending);
    this.#timer ??= setTimeout(() => this.#sweep(), SWEEP_MS).unref();
    if (this.#pending.size > this.#options.maxBodies) this.#makeRoom("bodies", this.#options.maxBodies);
  }

  /** Returns whether it was under way. */
  #forget(pending: Pending): boolean {
    if (!this.#pending.delete(pending)) return false;
    this.#bytes -= pending.pieces.size;
    pending.pieces.clear();
    return true;
  }

  /**
   * Ends bodies until there are fewer than `max` bodies, or bytes: those of the connections that have most of them, the oldest
   * first. A few more than has to be, as this looks at all of them.
   */
  #makeRoom(unit: "bodies" | "bytes", max: number): void {
    const held = new Map<ClientConnection, number>();
    // A copy, as whoever is told of an end may begin others, or end them.
    const all = [...this.#pending];
    for (const pending of all) {
      if (pending.source.destroyed) this.#forget(pending);
      else held.set(pending.connection, (held.get(pending.connection) ?? 0) + weightOf(pending, unit));
    }
    const enough = max * ENOUGH_ROOM;
    const most = [...held.values()].reduce((one, other) => Math.max(one, other), 0);
    for (const pending of all) {
      if ((unit === "bodies" ? this.#pending.size : this.#bytes) <= enough) return;
      const weight = weightOf(pending, unit);
      const ofConnection = held.get(pending.connection) ?? 0;
      if (weight === 0 || ofConnection < most / 2) continue;
      held.set(pending.connection, ofConnection - weight);
      pending.end({ kind: "CROWDED" });
    }
  }

  /** Ends the bodies that are late, and forgets those whose clients have left. */
  #sweep(): void {
    const now = performance.now();
    for (const pending of [...this.#pending]) {
      if (pending.source.destroyed) this.#forget(pending);
      else if (now - pending.startedAt >= this.#options.timeoutMs) pending.end({ kind: "LATE" });
    }
    this.#timer = this.#pending.size === 0 ? undefined : setTimeout(() => this.#sweep(), SWEEP_MS).unref();
  }
}

function weightOf({ pieces }: Pending, unit: "bodies" | "bytes"): number {
  return unit === "bodies" ? 1 : pieces.size;
}
