import type { Change, NewJob } from "../../../core/backend.js";
import type { AttemptError, Job, JobState, JobStatus, Payload } from "../../../model/job.js";

/** The statuses by the digit that the scripts write for them. */
const STATUSES: readonly JobStatus[] = ["PENDING", "RUNNING", "DONE", "FAILED", "DEAD", "CANCELED"];

/** The status that a digit stands for. */
export function statusOf(code: number | string): JobStatus {
  return STATUSES[Number(code)] as JobStatus;
}

/** Statuses as a string of their digits. */
export function statusDigits(statuses: readonly JobStatus[]): string {
  return statuses.map((status) => STATUSES.indexOf(status)).join("");
}

/** An id as text that sorts like its number. */
export function idKey(id: string): string {
  return String.fromCharCode(96 + id.length) + id;
}

/** The kinds of payload in a spec. */
const NO_PAYLOAD = 0;
const TEXT = 1;
const BYTES = 2;

const NEWLINE = 10;

/** The numbers of a spec after its times, as last written: cached, as the jobs of one program mostly have the same. */
let lastLimits = "";
let lastNumbers: readonly [number, number, number, number, number] = [Number.NaN, 0, 0, 0, 0];

function limitsOf({ priority, maxRetries, backoff, timeoutMs }: NewJob): string {
  const [p, r, b, m, t] = lastNumbers;
  const { baseDelayMs, maxDelayMs } = backoff;
  if (p !== priority || r !== maxRetries || b !== baseDelayMs || m !== maxDelayMs || t !== timeoutMs) {
    lastNumbers = [priority, maxRetries, baseDelayMs, maxDelayMs, timeoutMs];
    lastLimits =
      pad(priority, 2) + pad(maxRetries, 3) + pad(baseDelayMs, 11) + pad(maxDelayMs, 11) + pad(timeoutMs, 11);
  }
  return lastLimits;
}

let lastType = "";
let lastTypeText = "";

/** A type with its length in bytes before it. */
function typeText(type: string): string {
  if (type !== lastType) {
    lastType = type;
    lastTypeText = pad(Buffer.byteLength(type), 3) + type;
  }
  return lastTypeText;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

/** Writes the spec that prelude.ts describes, without its times, which the script adds. */
export function writeSpec(job: NewJob): string | Buffer {
  const { type, metadata, payload } = job;
  const kind = payload === undefined ? NO_PAYLOAD : typeof payload === "string" ? TEXT : BYTES;
  const head = `${limitsOf(job)}${kind}${typeText(type)}${writeMetadata(metadata)}\n`;
  if (payload === undefined) return head;
  return typeof payload === "string" ? head + payload : Buffer.concat([Buffer.from(head), payload]);
}

function writeMetadata(metadata: Readonly<Record<string, string>>): string {
  for (const _ in metadata) return JSON.stringify(metadata);
  return "";
}

/** Errors of a job: the last one whole, and that of each attempt cut. */
type Errors = [whole: string, attempts: [at: number, error: string, delivery: number, worker: string][]];

type Tail = [type: string, worker: string, error: string, percent: string, message: string];

const NO_METADATA: Readonly<Record<string, string>> = {};
const NO_ERRORS: readonly AttemptError[] = [];

/** Length of a head, in characters. */
const HEAD = 94;

/** Offset of the type in a spec, in bytes. */
const TYPE = 70;

/** The tail that was parsed last: cached, as jobs read one after the other mostly have the same. */
let lastTail: Tail = ["", "", "", "", ""];
let lastTailText = "";

function readTail(text: string): Tail {
  if (text !== lastTailText) {
    lastTail = JSON.parse(text) as Tail;
    lastTailText = text;
  }
  return lastTail;
}

/** Reads a leased job from its record of the log, its spec, and its errors, which are empty when it has none. */
export function readLeased(queue: string, record: string, spec: Buffer, errors: Buffer): Job {
  const blank = record.indexOf(" ", HEAD + 1);
  const tail = readTail(record.slice(blank + 1));
  return toJob(record.slice(HEAD + 1, blank), queue, spec, record.slice(1), tail, errors, undefined);
}

/** Reads a job from the five values of `answerJob`; its state, errors and result are empty when it has none. */
export function readJob(queue: string, [id, spec, state, errors, result]: readonly Buffer[]): Job {
  if (!id || !spec || !state || !errors || !result) throw new Error("a script answered half a job");
  const text = state.toString();
  const tail = text === "" ? undefined : readTail(text.slice(text.indexOf("\n", HEAD) + 1));
  return toJob(id.toString(), queue, spec, text, tail, errors, readResult(result));
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
  const numbers = spec.toString("latin1", 0, TYPE);
  const endOfType = TYPE + numberIn(numbers, 67, 70);
  const endOfMetadata = spec.indexOf(NEWLINE, endOfType);
  const createdAt = numberIn(numbers, 0, 13);
  const state = tail === undefined ? createdState(createdAt, numberIn(numbers, 13, 28)) : readState(head, 0, tail);
  const written = errors.length === 0 ? undefined : (JSON.parse(errors.toString()) as Errors);
  return {
    id,
    queue,
    type: tail === undefined ? spec.toString("utf8", TYPE, endOfType) : tail[0],
    payload: readPayload(numberIn(numbers, 66, 67), spec, endOfMetadata + 1),
    priority: numberIn(numbers, 28, 30),
    maxRetries: numberIn(numbers, 30, 33),
    backoff: { baseDelayMs: numberIn(numbers, 33, 44), maxDelayMs: numberIn(numbers, 44, 55) },
    timeoutMs: numberIn(numbers, 55, 66),
    metadata: endOfMetadata === endOfType ? NO_METADATA : JSON.parse(spec.toString("utf8", endOfType, endOfMetadata)),
    status: state.status,
    revision: state.revision,
    retryCount: state.retryCount,
    deliveries: state.deliveries,
    lostLeases: state.lostLeases,
    // The whole error: the state has only its start.
    error: written?.[0] ?? "",
    progress: state.progress,
    cancelRequested: state.cancelRequested,
    worker: state.worker,
    createdAt,
    updatedAt: state.updatedAt,
    runAfter: state.runAfter,
    startedAt: state.startedAt,
    finishedAt: state.finishedAt,
    attemptErrors: written?.[1].map(([at, error, delivery, worker]) => ({ at, error, delivery, worker })) ?? NO_ERRORS,
    result,
  };
}

/** Writes a result as it is stored: `j` and JSON text, or `b` and bytes; "" for none. */
export function writeResult(result: Payload | undefined): string | Buffer {
  if (result === undefined) return "";
  return typeof result === "string" ? `j${result}` : Buffer.concat([BYTES_MARK, result]);
}

const BYTES_MARK = Buffer.from("b");

function readResult(result: Buffer): Payload | undefined {
  if (result.length === 0) return undefined;
  return readPayload(result[0] === BYTES_MARK[0] ? BYTES : TEXT, result, 1);
}

function readPayload(kind: number, bytes: Buffer, from: number): Payload | undefined {
  if (kind === NO_PAYLOAD) return undefined;
  // A copy: a view would keep the whole answer in memory.
  return kind === TEXT ? bytes.toString("utf8", from) : new Uint8Array(bytes.subarray(from));
}

function createdState(createdAt: number, runAfter: number): JobState {
  return {
    status: "PENDING",
    revision: 1,
    retryCount: 0,
    deliveries: 0,
    lostLeases: 0,
    error: "",
    progress: undefined,
    cancelRequested: false,
    worker: "",
    updatedAt: createdAt,
    runAfter,
    startedAt: undefined,
    finishedAt: undefined,
  };
}

/** The number of fixed width at these offsets. */
function numberIn(text: string, from: number, to: number): number {
  return Number(text.slice(from, to));
}

/** Reads the state from the head that begins at `at`, and the tail. */
function readState(text: string, at: number, [, worker, error, percent, message]: Tail): JobState {
  return {
    status: STATUSES[numberIn(text, at + 0, at + 1)] as JobStatus,
    revision: numberIn(text, at + 18, at + 27),
    retryCount: numberIn(text, at + 4, at + 7),
    deliveries: numberIn(text, at + 7, at + 14),
    lostLeases: numberIn(text, at + 14, at + 18),
    error,
    progress: percent === "" ? undefined : { percent: Number(percent), message },
    cancelRequested: text[at + 1] === "1",
    worker,
    updatedAt: numberIn(text, at + 40, at + 53),
    runAfter: numberIn(text, at + 53, at + 68),
    startedAt: numberIn(text, at + 68, at + 81) || undefined,
    finishedAt: numberIn(text, at + 81, at + 94) || undefined,
  };
}

/** Splits a text into its records; each ends with a newline. */
export function linesOf(text: string): string[] {
  return text.slice(0, -1).split("\n");
}

/** Parses the changes of one log entry. `at`: when it was written, ms since 1970. */
export function readChanges(queue: string, at: number, text: string): Change[] {
  return linesOf(text).map((record): Change => {
    if (record.startsWith("2")) {
      const blank = record.indexOf(" ", 18);
      const type = JSON.parse(record.slice(blank + 1)) as string;
      const priority = Number(record.slice(1, 3));
      const state = createdState(at, Number(record.slice(3, 18)));
      return { jobId: record.slice(18, blank), queue, type, priority, deleted: false, ...state };
    }
    const blank = record.indexOf(" ", HEAD + 1);
    const tail = readTail(record.slice(blank + 1));
    return {
      jobId: record.slice(HEAD + 1, blank),
      queue,
      type: tail[0],
      priority: Number(record.slice(3, 5)),
      deleted: record.startsWith("1"),
      ...readState(record, 1, tail),
    };
  });
}
