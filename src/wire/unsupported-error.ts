/**
 * Thrown by a codec for what it leaves to the library: a message that is written in an unusual way or is wrong, or a type
 * with fields of a kind that no API of ours has. The library then reads it, or says what is wrong with it.
 */
export class UnsupportedError extends Error {}
