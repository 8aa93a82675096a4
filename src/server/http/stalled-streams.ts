import { constants, type ServerHttp2Stream } from "node:http2";
import { WriteClock } from "./write-clock.js";

/** A stream that something waits on, and what is told when it is taken. */
interface Waiting {
  readonly clock: WriteClock;
  readonly moved: () => void;
}

/**
 * Ends the streams of a connection whose client takes nothing of what is written to them, as it never opens its window for them.
 * `end` looks at all of them; a stream costs nothing else unless something waits on it at that moment.
 */
export class StalledStreams {
  readonly #stallMs: number;
  readonly #waiting = new Map<ServerHttp2Stream, Waiting>();

  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  /** Ends those that have stood still for too long. Returns how many. */
  end(streams: Iterable<ServerHttp2Stream>, now: number): number {
    let ended = 0;
    for (const stream of streams) {
      if (stream.writableLength === 0) this.forget(stream);
      else if (this.#clockOf(stream, now).isStalled(now, stream.writableLength)) {
        ended++;
        this.forget(stream);
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
    return ended;
  }

  /** Forgets a stream, as when it is closed. */
  forget(stream: ServerHttp2Stream): void {
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined) return;
    stream.off("drain", waiting.moved);
    this.#waiting.delete(stream);
  }

  #clockOf(stream: ServerHttp2Stream, now: number): WriteClock {
    const known = this.#waiting.get(stream);
    if (known !== undefined) return known.clock;
    const clock = new WriteClock(this.#stallMs, now);
    // Who writes part after part of the same size has the same amount waiting again and again.
    const moved = () => clock.moved(performance.now());
    stream.on("drain", moved);
    this.#waiting.set(stream, { clock, moved });
    return clock;
  }
}
