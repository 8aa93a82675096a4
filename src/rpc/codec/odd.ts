/** Thrown when a message is not written as most are; whoever reads it must take the long way, and learns there what is wrong. */
export class Odd extends Error {}
