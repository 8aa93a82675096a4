/**
 * Thrown by a codec for everything that it leaves to another: by the quick JSON decoder, to the strict one, what is written in
 * an unusual way or is wrong; by an encoder, to the library, a message that it cannot write.
 */
export class UnsupportedError extends Error {}
