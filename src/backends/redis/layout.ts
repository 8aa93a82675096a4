import type { Change, NewJob } from "../../core/backend.js";
import type { AttemptError, Job, JobState, JobStatus, Payload } from "../../core/job.js";

/** How the scripts write a status. */
const STATUSES: readonly JobStatus[] = ["PENDING", "RUNNING", "DONE", "FAILED", "DEAD", "CANCELED"];

/** The status of a number. */
export function statusOf(code: number | string): JobStatus {
  return STATUSES[Number(code)] as JobStatus;
}

/** Statuses as digits. */
export function statusDigits(statuses: readonly JobStatus[]): string {
  return statuses.map((status) => STATUSES.indexOf(status)).join("");
}

/** An id so that text order is the order of the numbers. */
export function idKey(id: string): string {
  return String.fromCharCode(96 + id.length) + id;
}

/** Kinds of payload in what a job is created with. */
const NO_PAYLOAD = 0;
const TEXT = 1;
const BYTES = 2;

const NEWLINE = 10;

/**
 * What a job is created with, as the scripts store it, but for its beginning `[createdAt,runAfter,`, which they add:
 * `type,priority,maxRetries,baseDelay,maxDelay,timeout,payload kind]`, metadata and payload, a line each.
 */
export function writeSpec(job: NewJob): string | Buffer {
  const { type, priority, maxRetries, backoff, timeoutMs, metadata, payload } = job;
  const kind = payload === undefined ? NO_PAYLOAD : typeof payload === "string" ? TEXT : BYTES;
  const numbers = `${priority},${maxRetries},${backoff.baseDelayMs},${backoff.maxDelayMs},${timeoutMs},${kind}`;
  const head = `${JSON.stringify(type)},${numbers}]\n${writeMetadata(metadata)}\n`;
  if (payload === undefined) return head;
  return typeof payload === "string" ? head + payload : Buffer.concat([Buffer.from(head), payload]);
}

function writeMetadata(metadata: Readonly<Record<string, string>>): string {
  for (const _ in metadata) return JSON.stringify(metadata);
  return "";
}

type SpecHead = [
  createdAt: number,
  runAfter: number,
  type: string,
  priority: number,
  maxRetries: number,
  baseDelayMs: number,
  maxDelayMs: number,
  timeoutMs: number,
  kind: number,
];

/** What the scripts show of a job; see prelude.ts. */
type Shown = [
  type: string,
  priority: number,
  status: number,
  revision: number,
  retryCount: number,
  deliveries: number,
  lostLeases: number,
  cancelRequested: number,
  updatedAt: number,
  runAfter: number,
  startedAt: number,
  finishedAt: number,
  worker: string,
  error: string,
  percent: string,
  message: string,
];

type Errors = [whole: string, attempts: [at: number, error: string, delivery: number, worker: string][]];

const NO_METADATA: Readonly<Record<string, string>> = {};
const NO_ERRORS: readonly AttemptError[] = [];

/** A job as the scripts answer it after a lease: beside what it was created with, what is shown of it and its errors. */
export function readLeased(id: string, queue: string, spec: Buffer, shown: Buffer, errors: Buffer): Job {
  return toJob(id, queue, spec, JSON.parse(shown.toString()) as Shown, errors, undefined);
}

/** A job as the scripts answer it to readers; its state, errors and result are empty where there are none. */
export function readJob(queue: string, [id, spec, state, errors, result]: readonly Buffer[]): Job {
  if (!id || !spec || !state || !errors || !result) throw new Error("a script answered half a job");
  const shown = state.length === 0 ? undefined : (JSON.parse(state.toString()) as [...unknown[], Shown]).at(-1);
  return toJob(id.toString(), queue, spec, shown as Shown | undefined, errors, readResult(result));
}

function toJob(
  id: string,
  queue: string,
  spec: Buffer,
  shown: Shown | undefined,
  errors: Buffer,
  result: Payload | undefined,
): Job {
  const endOfHead = spec.indexOf(NEWLINE);
  const endOfMetadata = spec.indexOf(NEWLINE, endOfHead + 1);
  const head = JSON.parse(spec.toString("utf8", 0, endOfHead)) as SpecHead;
  const [createdAt, runAfter, type, priority, maxRetries, baseDelayMs, maxDelayMs, timeoutMs, kind] = head;
  const state = shown === undefined ? createdState(createdAt, runAfter) : readState(shown);
  const written = errors.length === 0 ? undefined : (JSON.parse(errors.toString()) as Errors);
  return {
    id,
    queue,
    type,
    payload: readPayload(kind, spec, endOfMetadata + 1),
    priority,
    maxRetries,
    backoff: { baseDelayMs, maxDelayMs },
    timeoutMs,
    metadata:
      endOfMetadata === endOfHead + 1 ? NO_METADATA : JSON.parse(spec.toString("utf8", endOfHead, endOfMetadata)),
    status: state.status,
    revision: state.revision,
    retryCount: state.retryCount,
    deliveries: state.deliveries,
    lostLeases: state.lostLeases,
    // The state has the beginning only.
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

/** A result as the scripts store it. */
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
  // A copy: a view would keep all of the answer it came in.
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

function readState(shown: Shown): JobState {
  return {
    status: STATUSES[shown[2]] as JobStatus,
    revision: shown[3],
    retryCount: shown[4],
    deliveries: shown[5],
    lostLeases: shown[6],
    error: shown[13],
    progress: shown[14] === "" ? undefined : { percent: Number(shown[14]), message: shown[15] },
    cancelRequested: shown[7] === 1,
    worker: shown[12],
    updatedAt: shown[8],
    runAfter: shown[9],
    startedAt: shown[10] || undefined,
    finishedAt: shown[11] || undefined,
  };
}

/** A record of the log: a change (0), a deletion (1) or a creation (2). */
type LogRecord =
  | [id: string, kind: 0 | 1, shown: Shown]
  | [id: string, kind: 2, type: string, priority: number, runAfter: number];

/** The changes of one entry of the log, which was written at this time. */
export function readChanges(queue: string, at: number, text: string): Change[] {
  return (JSON.parse(text) as LogRecord[]).map((record): Change => {
    const [jobId, kind] = record;
    if (kind === 2) {
      const [, , type, priority, runAfter] = record;
      return { jobId, queue, type, priority, deleted: false, ...createdState(at, runAfter) };
    }
    const [, , shown] = record;
    return { jobId, queue, type: shown[0], priority: shown[1], deleted: kind === 1, ...readState(shown) };
  });
}
