import { DEFAULT_QUEUE, isQueueName } from "./queue.js";

/** The moment from which ids count milliseconds: 2026-01-01T00:00:00Z, in ms since 1970. */
export const ID_EPOCH_MS = Date.UTC(2026, 0, 1);

/** Largest node id: 10 bits. */
export const MAX_NODE_ID = 1023;

const SEQUENCE_LIMIT = 4096;

/**
 * Generates numbers for jobs, sessions and the like. A job's id is its number and, for every queue but the default one, `@`
 * and the name of its queue: so it says where the job lives.
 */
export interface IdGenerator {
  /** Returns the next number, larger than every one before it. */
  next(): string;
}

/**
 * Generates Snowflake ids in decimal: 41 bits of milliseconds since `ID_EPOCH_MS`, 10 bits of node id, 12 bits of
 * sequence. Throws a RangeError for a node id outside 0 to 1023.
 *
 * Ids strictly increase within a process, even when the clock stands still or steps back: after 4096 ids in one
 * millisecond, the next millisecond is used. They are unique across servers as long as no two share a node id. The
 * first is larger than `after`.
 */
export function createIdGenerator(clock: { now(): number }, node: number, after = "0"): IdGenerator {
  if (!Number.isInteger(node) || node < 0 || node > MAX_NODE_ID) {
    throw new RangeError(`node must be a whole number from 0 to ${MAX_NODE_ID}, got ${node}`);
  }
  let millis = -1;
  let sequence = 0;
  let base = 0n;
  if (after !== "0") moveTo(Number(BigInt.asUintN(63, BigInt(after)) >> 22n) + 1);

  // `base` is the part that all ids of one millisecond share.
  function moveTo(time: number): void {
    millis = time;
    sequence = 0;
    base = BigInt(time) * 4_194_304n + BigInt(node) * 4096n;
  }

  return {
    next() {
      const time = Math.max(0, clock.now() - ID_EPOCH_MS);
      if (time > millis) moveTo(time);
      else if (sequence === SEQUENCE_LIMIT) moveTo(millis + 1);
      return (base + BigInt(sequence++)).toString();
    },
  };
}

/** The id of the job that has this number in this queue. */
export function jobIdOf(queue: string, number: string): string {
  return queue === DEFAULT_QUEUE ? number : `${number}@${queue}`;
}

/** The queue that an id names. */
export function queueOf(id: string): string {
  const at = id.indexOf("@");
  return at < 0 ? DEFAULT_QUEUE : id.slice(at + 1);
}

/** The number in an id. */
export function numberOf(id: string): string {
  const at = id.indexOf("@");
  return at < 0 ? id : id.slice(0, at);
}

/** Compares two numbers: negative if `a` is smaller, 0 if they are equal. */
export function compareNumbers(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether a text is a number as jobs have it: decimal, of at most 20 digits. */
export function isNumber(text: string): boolean {
  return /^(0|[1-9][0-9]{0,19})$/.test(text);
}

/** Whether something is a text that has the form of an id. There is one for each job: `1@default` is none. */
export function isId(text: unknown): text is string {
  if (typeof text !== "string") return false;
  const at = text.indexOf("@");
  if (at < 0) return isNumber(text);
  const queue = text.slice(at + 1);
  return isNumber(text.slice(0, at)) && isQueueName(queue) && queue !== DEFAULT_QUEUE;
}
