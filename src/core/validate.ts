import type { FieldViolation } from "./errors.js";
import { fieldInvalid } from "./errors.js";
import { isId } from "./ids.js";
import { type Backoff, type JobStatus, type Payload, payloadBytes } from "./job.js";
import { LIMITS } from "./limits.js";
import type { QueueSettings } from "./queue.js";

/** What a caller says of a new job. Times and durations in ms. */
export interface JobRequest {
  /** Default: `default`. */
  readonly queue?: string | undefined;
  readonly type: string;
  /** JSON text, or bytes. */
  readonly payload?: Payload | undefined;
  readonly priority?: number | undefined;
  /** From now; not together with runAfter. */
  readonly delayMs?: number | undefined;
  /** Ms since 1970. */
  readonly runAfter?: number | undefined;
  readonly maxRetries?: number | undefined;
  readonly backoff?: Partial<Backoff> | undefined;
  readonly timeoutMs?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly requestId?: string | undefined;
}

/** Collects all bad fields of an input, to refuse it once with every one named. */
export class Violations {
  readonly #found: FieldViolation[] = [];
  #more = 0;
  #list: string | undefined;
  #index = 0;

  /**
   * Fields named from now on are those of an entry of a list, until the next one or `leave`. Their names, as in
   * `requests[3].priority`, are put together only for one that is bad.
   */
  enter(list: string, index: number): void {
    this.#list = list;
    this.#index = index;
  }

  /** Fields named from now on are those of the input itself. */
  leave(): void {
    this.#list = undefined;
  }

  add(field: string, description: string): void {
    if (this.#found.length === LIMITS.violations) {
      this.#more++;
      return;
    }
    const name = this.#list === undefined ? field : `${this.#list}[${this.#index}].${field}`;
    this.#found.push({ field: cut(name), description: cut(description) });
  }

  /** What was found. */
  get list(): readonly FieldViolation[] {
    return this.#found;
  }

  /** Throws FIELD_INVALID when any was found. */
  throwIfAny(): void {
    if (this.#found.length > 0) throw fieldInvalid(this.#found, this.#more);
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

/** Checks a new job. */
export function checkJob(found: Violations, job: JobRequest, now: number): void {
  if (job.queue) found.queueName("queue", job.queue);
  found.text("type", job.type ?? "", 1, LIMITS.typeLength);
  checkPayload(found, "payload", job.payload);
  found.integer("priority", job.priority, 0, LIMITS.priority);
  found.integer("maxRetries", job.maxRetries, 0, LIMITS.maxRetries);
  found.duration("delay", job.delayMs);
  found.duration("timeout", job.timeoutMs);
  found.duration("backoff.baseDelay", job.backoff?.baseDelayMs);
  found.duration("backoff.maxDelay", job.backoff?.maxDelayMs);
  found.text("requestId", job.requestId, 0, LIMITS.requestIdLength);
  if (job.runAfter !== undefined && !(Number.isFinite(job.runAfter) && job.runAfter <= now + LIMITS.delayMs)) {
    found.add("runAfter", "must be a time, at most 1 year from now");
  }
  if (job.delayMs !== undefined && job.runAfter !== undefined) {
    found.add("runAfter", "must not be set together with a delay");
  }
  if (job.metadata) checkMetadata(found, "metadata", job.metadata);
}

function checkMetadata(found: Violations, field: string, metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata);
  if (entries.length > LIMITS.metadataEntries) {
    found.add(field, `must have at most ${LIMITS.metadataEntries} entries, has ${entries.length}`);
    return;
  }
  for (const [key, value] of entries) {
    const name = key.slice(0, LIMITS.metadataKeyLength).toWellFormed();
    found.text(`${field} key "${name}"`, key, 1, LIMITS.metadataKeyLength);
    found.text(`${field}["${name}"]`, value, 0, LIMITS.metadataValueLength);
  }
}

/** Checks a payload or result: size, depth, well-formed text. */
export function checkPayload(found: Violations, field: string, payload: Payload | undefined): void {
  if (payload === undefined) return;
  const isText = typeof payload === "string";
  const size = payloadBytes(payload);
  if (size > LIMITS.payloadBytes) {
    found.add(isText ? field : `${field}Bytes`, `must be at most ${LIMITS.payloadBytes} bytes, is ${size}`);
  } else if (isText && hasManyBrackets(payload) && jsonDepth(payload) > LIMITS.payloadDepth) {
    found.add(field, `must not be nested more than ${LIMITS.payloadDepth} deep`);
  } else if (isText && hasLoneSurrogate(payload)) found.add(field, "has text that is not well-formed Unicode");
}

/** Whether a JSON text has so many brackets that it may be nested too deep; a quick look that most payloads pass. */
export function hasManyBrackets(json: string): boolean {
  let left: number = LIMITS.payloadDepth;
  for (const bracket of ["{", "["]) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) if (--left < 0) return true;
  }
  return false;
}

/** How deep the arrays and objects of a JSON text are nested. */
export function jsonDepth(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x5d || code === 0x7d) depth--;
  }
  return deepest;
}

/** JSON.stringify writes half of a surrogate pair as an escape, and protobuf cannot carry it. */
const LONE_SURROGATE = /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/gi;

function hasLoneSurrogate(json: string): boolean {
  return json.includes("\\u") && json.search(LONE_SURROGATE) >= 0;
}

/** The JSON text with each half surrogate pair replaced by U+FFFD. */
export function toWellFormedJson(json: string): string {
  return hasLoneSurrogate(json) ? json.replace(LONE_SURROGATE, "$1\\ufffd") : json;
}

/** Checks the settings of a queue. */
export function checkQueueSettings(found: Violations, path: string, settings: Partial<QueueSettings>): void {
  found.integer(`${path}weight`, settings.weight, 1, LIMITS.weight);
  found.integer(`${path}maxConcurrency`, settings.maxConcurrency, 0, LIMITS.maxConcurrency);
  found.integer(`${path}maxDepth`, settings.maxDepth, 0, LIMITS.maxDepth);
  if (settings.ordering !== undefined && settings.ordering !== "PRIORITY" && settings.ordering !== "RUN_AFTER") {
    found.add(`${path}ordering`, "must be PRIORITY or RUN_AFTER");
  }
}

/** The statuses a filter may name. */
export const JOB_STATUSES: readonly JobStatus[] = ["PENDING", "RUNNING", "DONE", "FAILED", "DEAD", "CANCELED"];
