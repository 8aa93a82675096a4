import { type FieldViolation, fieldInvalid, type TaskQueueError } from "../common/errors.js";
import { LIMITS } from "../common/limits.js";
import { isId } from "../queue/ids.js";
import { isQueueName } from "../queue/queue.js";

/** Collects the invalid fields of an input, so that one FIELD_INVALID error reports them all. Undefined values pass. */
export class Violations {
  readonly #list: FieldViolation[] = [];
  #more = 0;
  #entryList: string | undefined;
  #index = 0;

  /**
   * Fields checked from now on belong to this entry of a list, until the next `enter` or `leave`. A full name such as
   * `requests[3].priority` is built only for an invalid field.
   */
  enter(list: string, index: number): void {
    this.#entryList = list;
    this.#index = index;
  }

  /** Fields checked from now on belong to the input itself again. */
  leave(): void {
    this.#entryList = undefined;
  }

  add(field: string, description: string): void {
    if (this.#list.length === LIMITS.violations) {
      this.#more++;
      return;
    }
    const name = this.#entryList === undefined ? field : `${this.#entryList}[${this.#index}].${field}`;
    this.#list.push({ field: name, description });
  }

  /** Whether nothing was found so far. */
  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** Adds those of a part of the input, whose fields it names as if the part were all of it. `path`: what their names begin with. */
  addPart(path: string, part: Violations): void {
    for (const { field, description } of part.list) this.add(`${path}${field}`, description);
    this.#more += part.#more;
  }

  /** The violations so far, at most `LIMITS.violations`. */
  get list(): readonly FieldViolation[] {
    return this.#list;
  }

  /** The FIELD_INVALID error that names them; undefined if there are none. */
  refusal(): TaskQueueError | undefined {
    return this.#list.length === 0 ? undefined : fieldInvalid(this.#list, this.#more);
  }

  /** Throws FIELD_INVALID if there are any violations. */
  throwIfAny(): void {
    const refusal = this.refusal();
    if (refusal !== undefined) throw refusal;
  }

  /** Checks the length of a list. */
  count(field: string, list: readonly unknown[], min: number, max: number): void {
    if (list.length < min || list.length > max) {
      this.add(field, `must have ${min} to ${max} entries, has ${list.length}`);
    }
  }

  /** Checks that a number is whole and from `min` to `max`. */
  integer(field: string, value: number | undefined, min: number, max: number): void {
    if (value !== undefined && !(Number.isInteger(value) && value >= min && value <= max)) {
      this.add(field, `must be a whole number from ${min} to ${max}, got ${value}`);
    }
  }

  /** Checks that a duration in ms is from `min` to `max`; the default is 0 to one year. */
  duration(field: string, value: number | undefined, min = 0, max: number = LIMITS.delayMs): void {
    if (value !== undefined && !(value >= min && value <= max)) {
      const most = max === LIMITS.delayMs ? "1 year" : `${max} ms`;
      this.add(field, `must be from ${min} ms to ${most}, got ${value} ms`);
    }
  }

  /** Checks that a time in ms since 1970 is in the years 1 to 9999 and not after `max`, 1 year from now. */
  time(field: string, value: number | undefined, max: number): void {
    if (value === undefined) return;
    if (!(value >= LIMITS.minTime && value <= LIMITS.maxTime)) this.add(field, "must be a time in the years 1 to 9999");
    else if (value > max) this.add(field, "must be at most 1 year from now");
  }

  /** Checks that a text is well-formed Unicode of `min` to `max` characters. */
  text(field: string, value: string | undefined, min: number, max: number): void {
    if (value === undefined) return;
    if (typeof value !== "string") this.add(field, "must be text");
    else if (value.length < min || value.length > max) {
      this.add(field, `must have ${min} to ${max} characters, has ${value.length}`);
    } else if (!value.isWellFormed()) this.add(field, "is not well-formed Unicode");
  }

  /** Checks the form of a queue name. */
  queueName(field: string, value: string): void {
    if (!isQueueName(value)) {
      this.add(
        field,
        "must have 1 to 64 characters: lower-case letters, digits, and . _ - inside, beginning and ending with a letter or digit",
      );
    }
  }

  /** Checks the form of a job id. */
  jobId(field: string, value: string): void {
    if (!isId(value))
      this.add(field, "must be a job id: a decimal number, and for every queue but `default` an `@` and its name");
  }

  /** Checks the length of a list in a filter. Throws at once if there are violations: its entries are not examined. */
  filter(field: string, list: readonly unknown[]): void {
    this.count(field, list, 0, LIMITS.filterEntries);
    this.throwIfAny();
  }

  /** Checks a page size; 0 stands for the default size. */
  pageSize(field: string, value: number | undefined): void {
    this.integer(field, value, 0, LIMITS.pageSize);
  }
}
