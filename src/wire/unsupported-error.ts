/**
 * Thrown by a codec for everything that it leaves to the library: a message that is written in an unusual way or is
 * wrong, or a type with fields of a kind that this API does not use. The library then reads the message or says what is
 * wrong with it.
 */
export class UnsupportedError extends Error {}
