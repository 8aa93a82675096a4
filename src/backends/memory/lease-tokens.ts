/** A lease token as a job keeps it: the count of one that this run of the store made, or the text of an earlier one. */
export type ShortToken = number | string;

/** Makes the lease tokens of a run of a store. Each finished job keeps its last one: a count takes no room of its own there. */
export class LeaseTokens {
  /** What they begin with: no two runs of a store may have the same. */
  prefix: string;
  #count = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** A new one. */
  next(): ShortToken {
    return this.#count++;
  }

  /** The token that workers know. */
  text(token: ShortToken): string {
    return typeof token === "string" ? token : this.prefix + token.toString(36);
  }
}
