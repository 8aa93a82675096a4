import { type FieldViolation, fieldInvalid } from "./errors.js";
import { isId } from "./ids.js";
import { LIMITS } from "./limits.js";

/** Collects all bad fields of an input, to refuse it once with every one named. */
export class Violations {
  readonly #list: FieldViolation[] = [];
  #more = 0;
  #entryList: string | undefined;
  #index = 0;

  /**
   * Fields named from now on are those of an entry of a list, until the next one or `leave`. Their names, as in
   * `requests[3].priority`, are put together only for one that is bad.
   */
  enter(list: string, index: number): void {
    this.#entryList = list;
    this.#index = index;
  }

  /** Fields named from now on are those of the input itself. */
  leave(): void {
    this.#entryList = undefined;
  }

  add(field: string, description: string): void {
    if (this.#list.length === LIMITS.violations) {
      this.#more++;
      return;
    }
    const name = this.#entryList === undefined ? field : `${this.#entryList}[${this.#index}].${field}`;
    this.#list.push({ field: cut(name), description: cut(description) });
  }

  /** What was found. */
  get list(): readonly FieldViolation[] {
    return this.#list;
  }

  /** Throws FIELD_INVALID when any was found. */
  throwIfAny(): void {
    if (this.#list.length > 0) throw fieldInvalid(this.#list, this.#more);
  }

  /** The length of a list. */
  count(field: string, list: readonly unknown[], min: number, max: number): void {
    if (list.length < min || list.length > max) {
      this.add(field, `must have ${min} to ${max} entries, has ${list.length}`);
    }
  }

  /** A whole number within bounds. */
  integer(field: string, value: number | undefined, min: number, max: number): void {
    if (value !== undefined && !(Number.isInteger(value) && value >= min && value <= max)) {
      this.add(field, `must be a whole number from ${min} to ${max}, got ${value}`);
    }
  }

  /** A duration in ms, from `min` to `max`, a year by default. */
  duration(field: string, value: number | undefined, min = 0, max: number = LIMITS.delayMs): void {
    if (value !== undefined && !(value >= min && value <= max)) {
      const most = max === LIMITS.delayMs ? "1 year" : `${max} ms`;
      this.add(field, `must be from ${min} ms to ${most}, got ${value} ms`);
    }
  }

  /** Well-formed text of a length in characters. */
  text(field: string, value: string | undefined, min: number, max: number): void {
    if (value === undefined) return;
    if (typeof value !== "string") this.add(field, "must be text");
    else if (value.length < min || value.length > max) {
      this.add(field, `must have ${min} to ${max} characters, has ${value.length}`);
    } else if (!value.isWellFormed()) this.add(field, "is not well-formed Unicode");
  }

  /** A queue name. */
  queueName(field: string, value: string): void {
    if (!/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/.test(value)) {
      this.add(
        field,
        "must have 1 to 64 characters: lower-case letters, digits, and . _ - inside, beginning and ending with a letter or digit",
      );
    }
  }

  /** A job id. */
  jobId(field: string, value: string): void {
    if (!isId(value)) this.add(field, "must be a job id: a decimal number");
  }

  /** A list in a filter. A too long one is refused at once, without a look at its entries. */
  filter(field: string, list: readonly unknown[]): void {
    this.count(field, list, 0, LIMITS.filterEntries);
    this.throwIfAny();
  }

  /** A page size; 0 is the default. */
  pageSize(field: string, value: number | undefined): void {
    this.integer(field, value, 0, LIMITS.pageSize);
  }
}

/** A part of a text that fits in a refusal. */
function cut(text: string): string {
  const fits = text.length <= LIMITS.violationLength;
  return fits ? text.toWellFormed() : `${text.slice(0, LIMITS.violationLength).toWellFormed()}...`;
}
