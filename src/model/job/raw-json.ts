/** Marks ours, also for other copies of this package in the same program. No JSON has it. */
const BRAND = Symbol.for("gotaskq.RawJson");

/**
 * A payload or result that is JSON text already: it is checked, and sent to the letter, so that big integers, the spelling of numbers and
 * the order of names survive. Passed in place of the value, as all of it. Read it as `payloadText` and `resultText`.
 */
export class RawJson {
  static {
    Object.defineProperty(RawJson.prototype, BRAND, { value: true });
    // Inside of a value it is refused by this name: JSON would make an object of it.
    Object.defineProperty(RawJson.prototype, Symbol.toStringTag, { value: "RawJson" });
    Object.defineProperty(RawJson, Symbol.hasInstance, { value: isRawJson });
  }

  readonly text: string;

  /** Throws nothing: what takes it refuses a text that is not JSON, and names the field. */
  constructor(text: string) {
    this.text = text;
  }
}

function isRawJson(value: unknown): boolean {
  return typeof value === "object" && value !== null && BRAND in value;
}
