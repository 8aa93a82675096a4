/** What a connection may send at a time beside requests, and what is forgotten of that a second, bytes. */
export const BURST_BYTES = 8 << 20;
export const FORGOTTEN_A_SECOND = 512 << 10;

/** What the head of a request may take. */
const HEAD_BYTES = 16 << 10;

/** What has come on a connection so far. */
export interface Received {
  readonly bytes: number;
  /** Of the bodies of requests. */
  readonly bodyBytes: number;
  /** Streams that were opened. */
  readonly streams: number;
}

/**
 * Tells a connection that is there to keep the server busy: one that sends much beside requests, like PRIORITY and WINDOW_UPDATE
 * frames, frames of unknown types, padding, or bodies in pieces of a few bytes. nghttp2 takes millions of them a second and has no
 * limit for those; for PING, SETTINGS, CONTINUATION and empty frames it or Node has one.
 */
export class FrameBudget {
  #before: Received = { bytes: 0, bodyBytes: 0, streams: 0 };
  #lookedAt: number;
  #spent = 0;

  constructor(now: number) {
    this.#lookedAt = now;
  }

  /** Looks at what has come since it was called before. Returns whether that is too much. */
  isSpent(now: number, received: Received): boolean {
    const { bytes, bodyBytes, streams } = this.#before;
    const useful = received.bodyBytes - bodyBytes + (received.streams - streams) * HEAD_BYTES;
    const forgotten = ((now - this.#lookedAt) / 1000) * FORGOTTEN_A_SECOND;
    // Below 0 where what came before is only read now as the body of a request: that was counted, and is taken back.
    const beside = received.bytes - bytes - useful;
    this.#spent = Math.max(0, this.#spent - forgotten + beside);
    this.#before = received;
    this.#lookedAt = now;
    return this.#spent > BURST_BYTES;
  }
}
