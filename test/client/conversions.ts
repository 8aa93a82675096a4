import { RawJson } from "gotaskq";

/** A payload that a program gives, and what becomes of it: the table of the client's README, row by row. */
export interface Conversion {
  /** As in the README. */
  readonly given: string;
  readonly make: () => unknown;
  /** What arrives; undefined: it is refused. */
  readonly arrives?: {
    readonly value: unknown;
    /** The text of it, where that is told. */
    readonly text?: string;
  };
  /** What the refusal says. */
  readonly refusal?: string;
}

class Money {
  constructor(readonly cents: number) {}
  toJSON() {
    return { cents: this.cents };
  }
}

const WRITTEN = "cannot be written as JSON: ";

export const CONVERSIONS: readonly Conversion[] = [
  {
    given: "JSON values",
    make: () => ({ a: [1.5, "é 😀", true, null] }),
    arrives: { value: { a: [1.5, "é 😀", true, null] } },
  },
  { given: "a property that is `undefined`", make: () => ({ a: undefined, b: 1 }), arrives: { value: { b: 1 } } },
  {
    given: "a property named by a symbol",
    make: () => ({ [Symbol("s")]: 1, b: 1 }),
    arrives: { value: { b: 1 } },
  },
  {
    given: "a key `__proto__`",
    make: () => JSON.parse('{"__proto__":{"a":1}}'),
    arrives: { value: JSON.parse('{"__proto__":{"a":1}}') },
  },
  { given: "`-0`", make: () => -0, arrives: { value: 0 } },
  { given: "a Date", make: () => ({ at: new Date(0) }), arrives: { value: { at: "1970-01-01T00:00:00.000Z" } } },
  { given: "what has a `toJSON`", make: () => [new Money(5)], arrives: { value: [{ cents: 5 }] } },
  {
    given: "a Uint8Array or Buffer, as all of it",
    make: () => Buffer.from([1, 2]),
    arrives: { value: Uint8Array.of(1, 2) },
  },
  {
    given: "a `RawJson`, as all of it",
    make: () => new RawJson('{"id":9007199254740993, "n":1.50}'),
    arrives: { value: { id: 9_007_199_254_740_992, n: 1.5 }, text: '{"id":9007199254740993, "n":1.50}' },
  },
  {
    given: "`undefined` or a hole in a list",
    make: () => ({ a: [1, undefined] }),
    refusal: `${WRITTEN}it has undefined (at payload.a[1])`,
  },
  {
    given: "`undefined` or a hole in a list",
    make: () => new Array(1),
    refusal: `${WRITTEN}it has undefined (at payload[0])`,
  },
  { given: "`NaN`, `Infinity`", make: () => ({ n: Number.NaN }), refusal: `${WRITTEN}it has NaN (at payload.n)` },
  { given: "`NaN`, `Infinity`", make: () => Number.NEGATIVE_INFINITY, refusal: `${WRITTEN}it is -Infinity` },
  {
    given: "an invalid Date",
    make: () => ({ at: new Date(Number.NaN) }),
    refusal: `${WRITTEN}it has an invalid Date (at payload.at)`,
  },
  { given: "a BigInt", make: () => ({ ids: [5n] }), refusal: `${WRITTEN}it has a BigInt (at payload.ids[0])` },
  {
    given: "a Map, Set, RegExp, Error, Promise",
    make: () => ({ m: new Map([[1, 2]]) }),
    refusal: `${WRITTEN}it has a Map (at payload.m)`,
  },
  {
    given: "a Map, Set, RegExp, Error, Promise",
    make: () => new Money(new Set() as never),
    refusal: `${WRITTEN}it has a Set (at payload.cents)`,
  },
  {
    given: "a function or symbol",
    make: () => ({ f: () => 1 }),
    refusal: `${WRITTEN}it has a function (at payload.f)`,
  },
  { given: "a function or symbol", make: () => [Symbol("s")], refusal: `${WRITTEN}it has a symbol (at payload[0])` },
  {
    given: "bytes inside of a value",
    make: () => ({ file: Buffer.of(1) }),
    refusal: `${WRITTEN}it has a Uint8Array (at payload.file)`,
  },
  {
    given: "a `RawJson` inside of a value, or of what is not JSON",
    make: () => ({ a: new RawJson("1") }),
    refusal: `${WRITTEN}it has a RawJson (at payload.a)`,
  },
  {
    given: "a `RawJson` inside of a value, or of what is not JSON",
    make: () => new RawJson("{a:1}"),
    refusal: "is not JSON: ",
  },
  {
    given: "an ArrayBuffer, DataView or other typed array",
    make: () => new ArrayBuffer(2),
    refusal: `${WRITTEN}it is an ArrayBuffer`,
  },
  {
    given: "an ArrayBuffer, DataView or other typed array",
    make: () => new DataView(new ArrayBuffer(2)),
    refusal: `${WRITTEN}it is a DataView`,
  },
  {
    given: "half of a surrogate pair",
    make: () => ({ name: "a\ud800" }),
    refusal: "has text that is not well-formed Unicode",
  },
];

/** What is sent as HTTP JSON, to the letter. */
export const HTTP_CONVERSIONS: readonly {
  readonly sent: string;
  readonly arrives?: string;
  readonly refusal?: string;
}[] = [
  { sent: '{"__proto__":{"a":1}}', arrives: '{"__proto__":{"a":1}}' },
  { sent: "-0", arrives: "0" },
  { sent: "9007199254740991", arrives: "9007199254740991" },
  { sent: '"9007199254740993"', arrives: '"9007199254740993"' },
  { sent: "9007199254740993", refusal: "payload: has the number 9007199254740993" },
  { sent: '{"ids":[1,-12345678901234567890]}', refusal: "payload.ids[1]: has the number -12345678901234567890" },
  { sent: "1e400", refusal: "payload: has a number that is out of range" },
  { sent: '{"a":1,"a":2}', refusal: 'payload: has the name "a" twice in one object' },
  { sent: '"\\ud800"', refusal: "payload: has text that is not well-formed Unicode" },
];
