/** What tells one log from every other: two hashes of its queue and epoch. */
export interface LogSeed {
  readonly one: number;
  readonly two: number;
}

/** Returns the seed of the log of a queue. */
export function seedOf(queue: string, epoch: string): LogSeed {
  const text = `${queue}=${epoch}`;
  let [one, two] = [0x811c9dc5, 0x9747b28c];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    one = Math.imul(one ^ code, 0x01000193);
    two = Math.imul(two ^ code, 0x5bd1e995);
    two ^= two >>> 15;
  }
  return { one: mixed(one), two: mixed(two) };
}

const TWO_32 = 2 ** 32;

/** Bits of the second half that are kept: the value then has 52, and is a whole number that JavaScript can hold. */
const UPPER = 0xfffff;

/** The number of two hashes: 1 to 2^52. */
export function numberOf({ one, two }: LogSeed): number {
  return (two & UPPER) * TWO_32 + one + 1;
}

/**
 * A number for the positions of any number of logs: their sum, each turned into a random number by its log and position. It is
 * kept up to date as one of them moves. Other positions have the same number once in 4,000,000,000,000,000 times. A log at
 * its start counts for nothing, like one that does not exist.
 */
export class Fingerprint {
  #one = 0;
  #two = 0;

  /** The number: 1 to 2^52. */
  get value(): number {
    return numberOf({ one: this.#one, two: this.#two });
  }

  /** A log has moved from one position to another; 0: it is new, or counts no more. */
  move(seed: LogSeed, from: number, to: number): void {
    if (from === to) return;
    this.#one = (this.#one - part(seed.one, from) + part(seed.one, to)) >>> 0;
    this.#two = (this.#two - part(seed.two, from) + part(seed.two, to)) & UPPER;
  }

  copy(): Fingerprint {
    const copy = new Fingerprint();
    copy.#one = this.#one;
    copy.#two = this.#two;
    return copy;
  }
}

function part(seed: number, position: number): number {
  if (position === 0) return 0;
  return mixed(seed ^ Math.imul(position | 0, 0x9e3779b1) ^ Math.imul((position / TWO_32) | 0, 0x85ebca6b));
}

/** Spreads each bit over all: the last step of MurmurHash3. */
function mixed(value: number): number {
  let bits = value ^ (value >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
