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
    // As `unit` does, without a look at the fields for each character.
    let a = this.#a;
    let b = this.#b;
    for (let at = from; at < to; at++) {
      const value = text.charCodeAt(at);
      a = Math.imul(a ^ value, 0x01000193);
      b = Math.imul((b + value) | 0, 0x5bd1e995) ^ (b >>> 15);
    }
    this.#a = a;
    this.#b = b;
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
    // Joined and not added: a store keeps it, and would keep both parts as well.
    return [(this.#a >>> 0).toString(36), (this.#b >>> 0).toString(36).padStart(7, "0")].join("");
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
    const first = this.#next();
    if (first === OPEN_BRACE) {
      digest.unit(1);
      const members = new Digest();
      this.#at++;
      while (this.#hasEntry(CLOSE_BRACE)) {
        const member = this.#scalar();
        this.#next();
        this.#at++;
        member.mix(this.value());
        members.add(member);
      }
      digest.mix(members);
    } else if (first === OPEN_BRACKET) {
      digest.unit(2);
      this.#at++;
      while (this.#hasEntry(CLOSE_BRACKET)) digest.mix(this.value());
    } else digest.mix(this.#scalar());
    return digest;
  }

  /** Goes to the next entry of what ends with this character; false: it has ended, and that is passed. */
  #hasEntry(end: number): boolean {
    let code = this.#next();
    if (code === COMMA) {
      this.#at++;
      code = this.#next();
    }
    if (code !== end && this.#at < this.#text.length) return true;
    this.#at++;
    return false;
  }

  /** Passes over white space; returns the character after it, NaN at the end. */
  #next(): number {
    const text = this.#text;
    let code = text.charCodeAt(this.#at);
    while (code <= SPACE) code = text.charCodeAt(++this.#at);
    return code;
  }

  /** A text, number or word. */
  #scalar(): Digest {
    const text = this.#text;
    const from = this.#at;
    let at = from;
    if (text.charCodeAt(at) === QUOTE) {
      at++;
      for (let code = text.charCodeAt(at); at < text.length && code !== QUOTE; code = text.charCodeAt(at)) {
        at += code === BACKSLASH ? 2 : 1;
      }
      at++;
    } else {
      while (at < text.length && !isEnd(text.charCodeAt(at))) at++;
      // What is no JSON must not stop it.
      if (at === from) at++;
    }
    this.#at = at;
    return new Digest().part(text, from, Math.min(at, text.length));
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Characters up to this one are white space, outside of texts. */
const SPACE = 0x20;

/** Whether a character ends a number or word. */
function isEnd(code: number): boolean {
  return code <= SPACE || code === COMMA || code === COLON || code === CLOSE_BRACKET || code === CLOSE_BRACE;
}
