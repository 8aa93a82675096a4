import type { Payload } from "./job.js";
import { toUnique, type UniqueRequest } from "./unique.js";

/** How long a store remembers the request id of a create at the least, ms. */
export const REQUEST_ID_TTL_MS = 600_000;

/** Most request ids that a queue remembers; beyond that, those go first whose jobs are gone, then the oldest. */
export const MAX_REQUEST_IDS = 250_000;

/** Puts what is remembered with its job behind all that is remembered for a time, ms. */
export const WITH_JOB_MS = 1e15;

/** How request ids begin that a client makes by itself, one for each call, so that it can repeat the call. */
export const AUTOMATIC_PREFIX = "auto:";

/** Whether a request id was made by a client for its own repeats: it is remembered for `REQUEST_ID_TTL_MS`, not with its job. */
export function isAutomatic(requestId: string): boolean {
  return requestId.startsWith(AUTOMATIC_PREFIX);
}

/** What a create asks for, apart from the queue and the request id. */
export interface Content {
  readonly type: string;
  readonly payload?: Payload | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** The numbers of the request in a fixed order; undefined where it says nothing. */
  readonly numbers: readonly (number | undefined)[];
  /** The `key` of the job; undefined and "": it has none. */
  readonly key?: string | undefined;
  readonly unique?: UniqueRequest | undefined;
}

/**
 * A short text that tells the content of a create from another one. The order of the members of JSON objects and of the metadata
 * does not count: many languages write them in another order each time.
 */
export function contentDigest({ type, payload, metadata = {}, numbers, key, unique: given }: Content): string {
  const digest = new Digest();
  digest.text(type);
  digest.text(JSON.stringify(numbers.map((number) => number ?? null)));
  // Only when there is one: digests of older versions are kept in stores.
  if (key) digest.text("key").text(key);
  if (given) {
    const { unique, onConflict } = toUnique(given);
    digest.text("unique").text(JSON.stringify([unique.key, unique.until, unique.holdMs, onConflict]));
  }
  const members = new Digest();
  for (const [key, value] of Object.entries(metadata)) members.add(new Digest().text(key).text(value));
  digest.mix(members);
  if (typeof payload === "string") digest.mix(new JsonDigest(payload).value());
  else if (payload !== undefined) digest.bytes(payload);
  return digest.toString();
}

/** Two hashes of 32 bits that go on with what is put in. For telling apart, not for safety from a caller who wants two alike. */
class Digest {
  #a = 0x811c9dc5;
  #b = 0x2545f491;

  unit(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul(this.#b + value, 0x5bd1e995) ^ (this.#b >>> 15);
  }

  text(text: string): this {
    return this.part(text, 0, text.length);
  }

  part(text: string, from: number, to: number): this {
    for (let at = from; at < to; at++) this.unit(text.charCodeAt(at));
    // No part runs into the next one.
    this.unit(to - from);
    return this;
  }

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.unit(byte);
    this.unit(-bytes.length);
  }

  /** Goes on with another digest: the order counts. */
  mix(other: Digest): void {
    this.unit(other.#a);
    this.unit(other.#b);
  }

  /** Adds another digest: the order does not count. */
  add(other: Digest): void {
    this.#a = (this.#a + other.#a) | 0;
    this.#b = (this.#b + other.#b) | 0;
  }

  toString(): string {
    return (this.#a >>> 0).toString(36) + (this.#b >>> 0).toString(36).padStart(7, "0");
  }
}

/** Reads JSON text into a digest. White space does not count. */
class JsonDigest {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): Digest {
    const digest = new Digest();
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === "{") {
      digest.unit(1);
      const members = new Digest();
      this.#entries("}", () => {
        const member = this.#scalar();
        this.#skipSpace();
        this.#at++;
        member.mix(this.value());
        members.add(member);
      });
      digest.mix(members);
    } else if (first === "[") {
      digest.unit(2);
      this.#entries("]", () => digest.mix(this.value()));
    } else digest.mix(this.#scalar());
    return digest;
  }

  #entries(end: string, each: () => void): void {
    this.#at++;
    this.#skipSpace();
    while (this.#at < this.#text.length && this.#text[this.#at] !== end) {
      each();
      this.#skipSpace();
      if (this.#text[this.#at] === ",") this.#at++;
      this.#skipSpace();
    }
    this.#at++;
  }

  #skipSpace(): void {
    while (this.#text.charCodeAt(this.#at) <= SPACE) this.#at++;
  }

  /** A text, number or word. */
  #scalar(): Digest {
    const from = this.#at;
    if (this.#text[from] === '"') {
      this.#at++;
      while (this.#at < this.#text.length && this.#text[this.#at] !== '"')
        this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
      this.#at++;
    } else {
      while (this.#at < this.#text.length && !ENDS.has(this.#text[this.#at] as string)) this.#at++;
      // What is no JSON must not stop it.
      if (this.#at === from) this.#at++;
    }
    return new Digest().part(this.#text, from, Math.min(this.#at, this.#text.length));
  }
}

/** Characters up to this one are white space, outside of texts. */
const SPACE = 0x20;

const ENDS = new Set([",", "]", "}", ":", " ", "\n", "\r", "\t"]);
