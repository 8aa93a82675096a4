import type { Readable } from "node:stream";

/** What was read of a body, and its source, which has the rest unless it is whole. */
export interface Body {
  readonly chunks: readonly Uint8Array[];
  /** Bytes in the chunks. */
  readonly size: number;
  readonly isWhole: boolean;
  readonly source: Readable;
}

/** Reads a body up to its end, or until it has more than `limit` bytes. Silent when the client leaves before. */
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
