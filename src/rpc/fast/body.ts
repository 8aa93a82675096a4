import type { Readable } from "node:stream";

/** The part of a request body that has been read, and the stream that still holds the rest unless `isWhole`. */
export interface Body {
  readonly chunks: readonly Uint8Array[];
  /** Total bytes of the chunks. */
  readonly size: number;
  readonly isWhole: boolean;
  readonly source: Readable;
}

/**
 * Reads a body to its end, or until it has more than `limit` bytes, then calls `done`. Never calls it when the client
 * leaves before that.
 */
export function readBody(source: Readable, limit: number, done: (body: Body) => void): void {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const end = () => done({ chunks, size, isWhole: true, source });
  const take = (chunk: Uint8Array) => {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size <= limit) return;
    source.off("data", take);
    source.off("end", end);
    source.pause();
    done({ chunks, size, isWhole: false, source });
  };
  source.on("data", take);
  source.on("end", end);
}

/** The bytes of a whole body. */
export function bytesOf({ chunks, size }: Body): Uint8Array {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return first;
  return Buffer.concat(chunks, size);
}
