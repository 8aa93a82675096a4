import { guarded } from "./guarded.js";
import { LIMITS } from "./limits.js";
import { cutText } from "./text.js";

/** Most characters of a name, of another field of an error, and of one stack. */
const NAME_LENGTH = 128;
const DETAIL_LENGTH = 512;
const STACK_LENGTH = 8192;

/** Most causes, errors of an AggregateError, and other fields that are described. */
const MAX_CAUSES = 5;
const MAX_ERRORS = 3;
const MAX_DETAILS = 16;

/** What a log line tells of a thrown value: text of bounded length, safe to print in any way. */
export interface ErrorDescription {
  /** Name of its class, as in `TypeError`; of a value that is no object, its type. */
  readonly type: string;
  readonly message: string;
  /** Its stack, followed by those of its causes. Undefined when it has none. */
  readonly stack?: string;
  /** Its other fields that are text, numbers or booleans, as in `code`. */
  readonly [detail: string]: unknown;
}

/** The text of a thrown value, as it is kept with a job. Never throws. */
export function errorText(error: unknown): string {
  // A message is whatever was assigned to it.
  const read = () => String(error instanceof Error ? error.message || error.name : error);
  const text = guarded(read, "what was thrown has no text");
  return cutText(text, LIMITS.errorLength).toWellFormed();
}

/**
 * Describes a thrown value for a log line. Never throws: what cannot be read is left out. A description of a description
 * is the same.
 */
export function describeError(error: unknown): ErrorDescription {
  const type = typeOf(error);
  const description = emptyDescription(type);
  // What is no error may have a message too: an error of another realm, or a description.
  const message = isObject(error) ? field(error, "message") : undefined;
  description.message = errorText(typeof message === "string" && message !== "" ? message : error);
  const stack = stackWithCauses(error);
  if (stack !== "") description.stack = stack;
  addDetails(description, error);
  return description as ErrorDescription;
}

/** A description that came from another thread or process, as `describeError` made it there. */
export function receivedDescription(received: ErrorDescription): ErrorDescription {
  return Object.assign(emptyDescription(received.type), received);
}

function emptyDescription(type: string): Record<string, unknown> {
  // pino's `err` serializer takes the type from the name when there is no constructor.
  return Object.assign(Object.create(null, { name: { value: type } }), { type });
}

/** Reads a field of any value; undefined when there is none or it cannot be read. */
function field(value: unknown, name: string): unknown {
  return guarded(() => (value as Record<string, unknown> | null | undefined)?.[name], undefined);
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function typeOf(error: unknown): string {
  if (!isObject(error)) return error === null ? "null" : typeof error;
  for (const name of [field(field(error, "constructor"), "name"), field(error, "name")]) {
    if (typeof name === "string" && name !== "") return cutText(name, NAME_LENGTH);
  }
  return "Object";
}

/** The stack of an error, or its text when it has none. */
function stackOf(error: unknown): string {
  const stack = field(error, "stack");
  return typeof stack === "string" && stack !== "" ? cutText(stack, STACK_LENGTH) : errorText(error);
}

/** The stacks of an error, of the first errors of an AggregateError, and of its causes; "" when there are none. */
function stackWithCauses(error: unknown): string {
  if (!isObject(error)) return "";
  const parts: string[] = [];
  const own = field(error, "stack");
  if (typeof own === "string" && own !== "") parts.push(cutText(own, STACK_LENGTH));
  const errors = field(error, "errors");
  if (guarded(() => Array.isArray(errors), false)) {
    const count = Number(field(errors, "length"));
    for (let at = 0; at < Math.min(count, MAX_ERRORS); at++) {
      parts.push(`error ${at + 1} of ${count}: ${stackOf(field(errors, String(at)))}`);
    }
  }
  let cause = field(error, "cause");
  for (let depth = 0; cause !== undefined && cause !== null; depth++) {
    if (depth === MAX_CAUSES) {
      parts.push("and more causes");
      break;
    }
    parts.push(`caused by: ${stackOf(cause)}`);
    cause = field(cause, "cause");
  }
  return parts.join("\n");
}

function addDetails(description: Record<string, unknown>, error: unknown): void {
  if (!isObject(error)) return;
  const names = guarded(() => Object.keys(error), []);
  for (const name of names.slice(0, MAX_DETAILS)) {
    // Not one of those above, and not `name`.
    if (name in description) continue;
    const value = field(error, name);
    if (typeof value === "string") description[cutText(name, NAME_LENGTH)] = cutText(value, DETAIL_LENGTH);
    else if (typeof value === "number" || typeof value === "boolean") description[cutText(name, NAME_LENGTH)] = value;
  }
}
