import type { EnqueueResult, NewJob } from "../../../core/port/new-jobs.js";
import { type AttemptError, createdState, type Job, type JobStatus, type Payload } from "../../../model/job/job.js";
import type { Unique, UniqueConflict, UniqueUntil } from "../../../model/job/unique.js";
import { savedTraceContext, type TraceContext, toTraceContext } from "../../../model/log/trace-context.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import { CHANGE_WIDTH, HEAD_WIDTH, KIND_WIDTH, numberIn, readState, readTail, type Tail } from "./codec-state.js";
import { type Place, placesOf, widthOf } from "./describe.js";
import { readPending } from "./pending-codes.js";
import { numbersOf, type SavedBackoff, savedBackoff, toBackoff } from "./saved-backoff.js";
import { CODES, ID_LETTER, RECORDS } from "./table.js";

// Reads and writes the records of table.ts outside of Redis.

/** Statuses as a string of their digits. */
export function statusDigits(statuses: readonly JobStatus[]): string {
  return statuses.map((status) => CODES.status[status]).join("");
}

/** Reads what a request id created, or what its create met. */
export function readCreated(text: string): Pick<EnqueueResult, "createdAt" | "runAfter" | "met"> {
  const letter = /!([kr])$/.exec(text)?.[1];
  return {
    createdAt: numberIn(text, 0, CREATED.created_at),
    runAfter: numberIn(text, 0, CREATED.run_after),
    met: letter === undefined ? undefined : letter === "k" ? "KEPT" : "REPLACED",
  };
}

/** The place of a job among others, by creation. */
export function placeKey(createdAt: number, id: string): string {
  return createdAt.toString(16).padStart(PLACE.created_at.to - PLACE.created_at.from, "0") + idKey(id);
}

/** A number as text that sorts like it. */
export function idKey(id: string): string {
  return String.fromCharCode(ID_LETTER + id.length) + id;
}

const { none: NO_PAYLOAD, text: TEXT, bytes: BYTES } = CODES.payload_kind;

const SPEC = placesOf(RECORDS.spec.fields);
const PLACE = placesOf(RECORDS.place.fields);
const CREATED = placesOf(RECORDS.created.fields);

/** Number of characters of the fields of a spec. */
const SPEC_WIDTH = widthOf(RECORDS.spec.fields);

const NEWLINE = 10;

/** The numbers of a spec after its times, as last written: cached, as the jobs of one program mostly have the same. */
let lastLimits = "";
let lastNumbers: readonly [number, number, number, number, number] = [Number.NaN, 0, 0, 0, 0];

function limitsOf({ priority, maxRetries, backoff, timeoutMs }: NewJob): string {
  const [p, r, b, m, t] = lastNumbers;
  const [baseDelayMs, maxDelayMs] = numbersOf(backoff);
  if (p !== priority || r !== maxRetries || b !== baseDelayMs || m !== maxDelayMs || t !== timeoutMs) {
    lastNumbers = [priority, maxRetries, baseDelayMs, maxDelayMs, timeoutMs];
    lastLimits =
      pad(priority, SPEC.priority) +
      pad(maxRetries, SPEC.max_retries) +
      pad(baseDelayMs, SPEC.base_delay) +
      pad(maxDelayMs, SPEC.max_delay) +
      pad(timeoutMs, SPEC.timeout);
  }
  return lastLimits;
}

let lastType = "";
let lastTypeText = "";

/** A type with its length in bytes before it. */
function typeText(type: string): string {
  if (type !== lastType) {
    lastType = type;
    lastTypeText = pad(Buffer.byteLength(type), SPEC.type_length) + type;
  }
  return lastTypeText;
}

function pad(value: number, { from, to }: Place): string {
  return String(value).padStart(to - from, "0");
}

/** The digit that says in a spec what its payload is. */
export function payloadKind(payload: Payload | undefined): number {
  if (payload === undefined) return NO_PAYLOAD;
  return typeof payload === "string" ? TEXT : BYTES;
}

/** Writes a payload alone, as it stands at the end of a spec. */
export function writePayload(payload: Payload | undefined): string | Buffer {
  if (payload === undefined || typeof payload === "string") return payload ?? "";
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** Writes a spec without its times, which the script adds. */
export function writeSpec(job: NewJob): string | Buffer {
  const { type, payload } = job;
  const head = `${limitsOf(job)}${payloadKind(payload)}${typeText(type)}${writeExtras(job)}\n`;
  if (payload === undefined) return head;
  return typeof payload === "string" ? head + payload : Buffer.concat([Buffer.from(head), payload]);
}

const CONFLICTS: Readonly<Record<UniqueConflict, string>> = { KEEP: "k", REPLACE: "p", REFUSE: "r" };

/** Writes what a job is the only one of, for the script that creates it; empty: nothing. */
export function writeUnique({ unique, onConflict = "KEEP" }: NewJob): string {
  if (unique === undefined) return "";
  return `${CONFLICTS[onConflict]}${CODES.reason[unique.until]}${unique.holdMs} ${unique.key}`;
}

/** The fields of a spec that most jobs do not have; empty when they are. */
function writeExtras(job: NewJob): string {
  const { key, metadata, traceContext, ttlMs: ttl, expiresAt: expires_at, schedule, scheduledFor: scheduled_for } = job;
  const unique = job.unique && savedUnique(job.unique);
  const trace = traceContext && savedTraceContext(traceContext);
  const backoff = savedBackoff(job.backoff);
  const rest = { trace, backoff, ttl, expires_at, schedule, scheduled_for, unique } satisfies Extras;
  // The key comes first: ENQUEUE finds it there without reading the others.
  for (const _ in metadata) return JSON.stringify({ key, metadata, ...rest } satisfies Extras);
  const isTimeless = ttl === undefined && expires_at === undefined && schedule === undefined;
  const isPlain = key === undefined && trace === undefined && backoff === undefined && unique === undefined;
  return isTimeless && isPlain ? "" : JSON.stringify({ key, ...rest });
}

/** The named parts of records; more fields than these may be there. */
interface Extras {
  readonly key?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly trace?: Partial<TraceContext> | undefined;
  readonly backoff?: SavedBackoff | undefined;
  readonly ttl?: number | undefined;
  readonly expires_at?: number | undefined;
  readonly schedule?: string | undefined;
  readonly scheduled_for?: number | undefined;
  readonly unique?: SavedUnique | undefined;
}

interface SavedUnique {
  readonly key: string;
  readonly until: UniqueUntil;
  readonly hold: number;
}

function savedUnique({ key, until, holdMs: hold }: Unique): SavedUnique {
  return { key, until, hold };
}

interface Errors {
  readonly error: string;
  readonly attempts: readonly AttemptError[];
}

const NO_METADATA: Readonly<Record<string, string>> = {};
const NO_ERRORS: readonly AttemptError[] = [];

/** Reads a leased job from its record of the log, its spec, and its errors, which are empty when it has none. */
export function readLeased(queue: string, record: string, spec: Buffer, errors: Buffer): Job {
  const blank = record.indexOf(" ", CHANGE_WIDTH);
  const tail = readTail(record.slice(blank + 1));
  const head = record.slice(KIND_WIDTH);
  return toJob(record.slice(CHANGE_WIDTH, blank), queue, spec, head, tail, errors, undefined);
}

/**
 * Reads a job from the five values of `answerJob`, or the six of `answerRead`; its state, errors and result are empty when it has none,
 * and the last is when it is not PENDING.
 */
export function readJob(queue: string, [id, spec, state, errors, result, pending]: readonly Buffer[]): Job {
  if (!id || !spec || !state || !errors || !result) throw new Error("a script answered half a job");
  const text = state.toString();
  const tail = text === "" ? undefined : readTail(text.slice(text.indexOf("\n", HEAD_WIDTH) + 1));
  const job = toJob(id.toString(), queue, spec, text, tail, errors, readResult(result));
  const waits = pending && readPending(pending.toString("latin1"));
  return waits === undefined ? job : { ...job, ...waits };
}

/** `tail` is undefined when the job has no state yet. */
function toJob(
  id: string,
  queue: string,
  spec: Buffer,
  head: string,
  tail: Tail | undefined,
  errors: Buffer,
  result: Payload | undefined,
): Job {
  const numbers = specNumbers(spec.toString("latin1", 0, SPEC_WIDTH));
  const endOfType = SPEC_WIDTH + numbers.typeLength;
  const endOfExtras = spec.indexOf(NEWLINE, endOfType);
  const extras: Extras = endOfExtras === endOfType ? {} : JSON.parse(spec.toString("utf8", endOfType, endOfExtras));
  const { createdAt } = numbers;
  const state = tail === undefined ? createdState(createdAt, numbers.runAfter) : readState(head, 0, tail);
  const written = errors.length === 0 ? undefined : (JSON.parse(errors.toString()) as Errors);
  return {
    id: jobIdOf(queue, id),
    queue,
    type: tail === undefined ? spec.toString("utf8", SPEC_WIDTH, endOfType) : tail.type,
    payload: readPayload(numbers.payloadKind, spec, endOfExtras + 1),
    priority: numbers.priority,
    maxRetries: numbers.maxRetries,
    backoff: toBackoff(numbers.baseDelay, numbers.maxDelay, extras.backoff),
    timeoutMs: numbers.timeoutMs,
    metadata: extras.metadata ?? NO_METADATA,
    traceContext: extras.trace && toTraceContext(extras.trace),
    key: extras.key,
    expiresAt: extras.ttl === undefined ? extras.expires_at : createdAt + extras.ttl,
    schedule: extras.schedule,
    scheduledFor: extras.scheduled_for,
    unique: extras.unique && toUnique(extras.unique),
    status: state.status,
    revision: state.revision,
    retryCount: state.retryCount,
    deliveries: state.deliveries,
    lostLeases: state.lostLeases,
    // The whole error: the state has only its start. One that is short may stand there alone.
    error: written?.error ?? state.error,
    progress: state.progress,
    cancelRequested: state.cancelRequested,
    worker: state.worker,
    createdAt,
    updatedAt: state.updatedAt,
    runAfter: state.runAfter,
    startedAt: state.startedAt,
    finishedAt: state.finishedAt,
    attemptErrors:
      written?.attempts.map(({ at, error, delivery, worker }) => ({ at, error, delivery, worker })) ?? NO_ERRORS,
    result,
    resultDropped: tail?.dropped === true,
  };
}

function toUnique({ key, until, hold: holdMs }: SavedUnique): Unique {
  return { key, until, holdMs };
}

/** Writes a result as it is stored; "" for none. */
export function writeResult(result: Payload | undefined): string | Buffer {
  if (result === undefined) return "";
  return typeof result === "string" ? RESULT.text + result : Buffer.concat([BYTES_MARK, result]);
}

const RESULT = CODES.result_kind;
const BYTES_MARK = Buffer.from(RESULT.bytes);

function readResult(result: Buffer): Payload | undefined {
  if (result.length === 0) return undefined;
  return readPayload(result[0] === BYTES_MARK[0] ? BYTES : TEXT, result, 1);
}

function readPayload(kind: number, bytes: Buffer, from: number): Payload | undefined {
  if (kind === NO_PAYLOAD) return undefined;
  // A copy: a view would keep the whole answer in memory.
  return kind === TEXT ? bytes.toString("utf8", from) : new Uint8Array(bytes.subarray(from));
}

/** The numbers at the start of a spec. */
interface SpecNumbers {
  readonly typeLength: number;
  readonly createdAt: number;
  readonly runAfter: number;
  readonly payloadKind: number;
  readonly priority: number;
  readonly maxRetries: number;
  readonly baseDelay: number;
  readonly maxDelay: number;
  readonly timeoutMs: number;
}

let lastSpec: SpecNumbers | undefined;
let lastSpecText = "";

/** Reads the numbers of a spec. Those read last are kept: jobs created together have the same. */
function specNumbers(text: string): SpecNumbers {
  if (lastSpec !== undefined && text === lastSpecText) return lastSpec;
  lastSpecText = text;
  lastSpec = {
    typeLength: numberIn(text, 0, SPEC.type_length),
    createdAt: numberIn(text, 0, SPEC.created_at),
    runAfter: numberIn(text, 0, SPEC.run_after),
    payloadKind: numberIn(text, 0, SPEC.payload_kind),
    priority: numberIn(text, 0, SPEC.priority),
    maxRetries: numberIn(text, 0, SPEC.max_retries),
    baseDelay: numberIn(text, 0, SPEC.base_delay),
    maxDelay: numberIn(text, 0, SPEC.max_delay),
    timeoutMs: numberIn(text, 0, SPEC.timeout),
  };
  return lastSpec;
}
