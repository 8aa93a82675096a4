import { Packr, RESERVE_START_SPACE } from "msgpackr/pack";

/** Bytes before each frame: its length. */
const HEADER = 4;

/** Longest frame, bytes: a create of as many bytes as the library allows at once, and more. A longer one is no frame of ours. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * MessagePack without records: what travels are lists whose places have a meaning, and few objects. Bytes are copied out of the
 * chunk that they came in, as jobs are kept longer than that.
 */
const packr = new Packr({ useRecords: false, copyBuffers: true });

/** Writes messages as one frame. */
export function packFrame(messages: readonly unknown[]): Buffer {
  const frame = packr.pack(messages, RESERVE_START_SPACE | HEADER);
  frame.writeUInt32BE(frame.length - HEADER, 0);
  return frame;
}

/** Cuts what comes in into frames, and reads them. */
export class FrameReader {
  readonly #read: (messages: readonly unknown[]) => void;
  #parts: Buffer[] = [];
  #size = 0;
  /** Bytes that it takes to go on: of a header, or of a header and its frame. */
  #needed = HEADER;

  /** `read` is called with the messages of each frame. */
  constructor(read: (messages: readonly unknown[]) => void) {
    this.#read = read;
  }

  /** Takes what came in. Throws when it is no frame. */
  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return;
    let rest = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#needed = HEADER;
    while (rest.length >= HEADER) {
      const length = rest.readUInt32BE(0);
      if (length > MAX_BYTES) throw new RangeError(`a frame of ${length} bytes is longer than any`);
      if (rest.length < HEADER + length) {
        this.#needed = HEADER + length;
        break;
      }
      this.#read(packr.unpack(rest.subarray(HEADER, HEADER + length)));
      rest = rest.subarray(HEADER + length);
    }
    this.#size = rest.length;
    if (rest.length > 0) this.#parts.push(rest);
  }
}
