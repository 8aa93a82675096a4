import { isQueuePattern } from "../model/queue/queue-patterns.js";
import type { Caller } from "./caller.js";
import { isScope, SCOPES, type Scope } from "./scopes.js";

/** A token as a server keeps it: never the token itself. */
export interface TokenRecord extends Caller {
  /** SHA-256 of the token, 64 hexadecimal digits in lower case. */
  readonly sha256: string;
  readonly endsAt: number | undefined;
}

/** The parts of a caller as they were written, of whatever type. */
export interface GivenCaller {
  readonly name?: unknown;
  readonly scopes?: unknown;
  readonly queues?: unknown;
  readonly endsAt?: unknown;
}

/**
 * Checks who a caller is said to be. Adds what is wrong to `problems`; undefined then. No problem shows a value: it may be a
 * secret that stands in the wrong place.
 */
export function checkCaller(
  { name, scopes, queues, endsAt }: GivenCaller,
  problems: string[],
  endsAtName = "ends_at",
): (Caller & { readonly endsAt: number | undefined }) | undefined {
  const before = problems.length;
  if (!isCallerName(name)) problems.push("name must be 1 to 64 letters, digits or . _ - @ / :");
  if (!Array.isArray(scopes) || scopes.length === 0 || !scopes.every(isScope)) {
    problems.push(`scopes must be among ${SCOPES.join(", ")}, at least one`);
  }
  const areQueues = (list: unknown): list is string[] =>
    Array.isArray(list) && list.length > 0 && list.every((each) => typeof each === "string" && isPatternOrAll(each));
  if (queues !== undefined && !areQueues(queues)) {
    problems.push(
      "queues must be names of queues, or starts of names with a * at their end; leave it out for all queues",
    );
  }
  const ends = endsAt === undefined ? undefined : toTime(endsAt);
  if (ends !== undefined && Number.isNaN(ends)) {
    problems.push(`${endsAtName} must be a time like 2027-01-31T00:00:00Z, or a date`);
  }
  if (problems.length > before) return undefined;
  return {
    name: name as string,
    scopes: [...new Set(scopes as Scope[])],
    queues: queues as string[] | undefined,
    endsAt: ends,
  };
}

/** Whether two tokens with the same digest give the same rights. */
export function isSameRight(a: TokenRecord, b: TokenRecord): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isCallerName(name: unknown): boolean {
  return typeof name === "string" && /^[A-Za-z0-9._@/:-]{1,64}$/.test(name);
}

function isPatternOrAll(text: string): boolean {
  return text === "*" || isQueuePattern(text);
}

/** Ms since 1970 of a date, or a time with its zone; NaN for anything else. A number would be one of seconds as often as not. */
function toTime(given: unknown): number {
  if (given instanceof Date) return given.getTime();
  const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;
  return typeof given === "string" && form.test(given) ? Date.parse(given) : Number.NaN;
}

/** What is wrong with tokens together: names and digests that are there twice. `at`: what to call the token at an index. */
export function checkTogether(records: readonly TokenRecord[], at: (index: number) => string): string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  const digests = new Set<string>();
  records.forEach(({ name, sha256 }, index) => {
    if (names.has(name)) problems.push(`${at(index)}: its name is that of another token`);
    if (digests.has(sha256)) problems.push(`${at(index)}: it is the same token as another one`);
    names.add(name);
    digests.add(sha256);
  });
  return problems;
}
