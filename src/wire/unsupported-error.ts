/**
 * Thrown by a codec for everything that it leaves to another: by the quick JSON decoder, to the strict one, what is written in
 * an unusual way or is wrong; by an encoder, to the library, a message that it cannot write.
 */
export class UnsupportedError extends Error {}

/** What `make` returns; undefined when it throws `UnsupportedError`. */
export function ifSupported<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}
