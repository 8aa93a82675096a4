import type { Change } from "../../../core/port/changes.js";
import { createdState, type JobState, type JobStatus } from "../../../model/job/job.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import { type Place, placesOf, widthOf } from "./describe.js";
import { CODES, RECORDS } from "./table.js";

// Reads the states of jobs, and the records of the change log.

/** The statuses by the digit that the scripts write for them. */
const STATUSES = Object.keys(CODES.status) as readonly JobStatus[];

/** The status that a digit stands for. */
export function statusOf(code: number | string): JobStatus {
  return STATUSES[Number(code)] as JobStatus;
}

const STATE = placesOf(RECORDS.state.fields);
const CREATION = placesOf(RECORDS.creation.fields);

/** Number of characters of the fields of a head. */
export const HEAD_WIDTH = widthOf(RECORDS.head.fields);
const CREATION_WIDTH = widthOf(RECORDS.creation.fields);

/** What is before the head in a change. */
export const KIND_WIDTH = placesOf(RECORDS.change.fields).kind.to;
/** What is before the id in a change. */
export const CHANGE_WIDTH = KIND_WIDTH + HEAD_WIDTH;

/** The named parts of a state; more fields than these may be there. */
export interface Tail {
  readonly type: string;
  readonly worker?: string;
  readonly error?: string;
  readonly percent?: string;
  readonly message?: string;
  readonly dropped?: boolean;
}

/** The tail that was parsed last: cached, as jobs read one after the other mostly have the same. */
let lastTail: Tail = { type: "" };
let lastTailText = "";

/** Reads a tail. */
export function readTail(text: string): Tail {
  if (text !== lastTailText) {
    lastTail = JSON.parse(text) as Tail;
    lastTailText = text;
  }
  return lastTail;
}

/** The number of fixed width at this place of the record that begins at `at`. */
export function numberIn(text: string, at: number, { from, to }: Place): number {
  return Number(text.slice(at + from, at + to));
}

let lastState: { readonly head: string; readonly tail: Tail; readonly state: JobState } | undefined;

/**
 * Reads the state from the head that begins at `at`, and the tail. The one read last is kept: one script call leaves all its jobs in
 * the same state, mostly.
 */
export function readState(text: string, at: number, tail: Tail): JobState {
  const head = text.slice(at, at + HEAD_WIDTH);
  if (lastState === undefined || lastState.head !== head || lastState.tail !== tail) {
    lastState = { head, tail, state: parseState(head, tail) };
  }
  return lastState.state;
}

function parseState(text: string, { worker = "", error = "", percent, message = "" }: Tail): JobState {
  return {
    status: STATUSES[numberIn(text, 0, STATE.status)] as JobStatus,
    revision: numberIn(text, 0, STATE.revision),
    retryCount: numberIn(text, 0, STATE.retry_count),
    deliveries: numberIn(text, 0, STATE.deliveries),
    lostLeases: numberIn(text, 0, STATE.lost_leases),
    error,
    progress: percent === undefined ? undefined : { percent: Number(percent), message },
    cancelRequested: numberIn(text, 0, STATE.cancel_requested) === 1,
    worker,
    updatedAt: numberIn(text, 0, STATE.updated_at),
    runAfter: numberIn(text, 0, STATE.run_after),
    startedAt: numberIn(text, 0, STATE.started_at) || undefined,
    finishedAt: numberIn(text, 0, STATE.finished_at) || undefined,
  };
}

/** Splits a text into its records; each ends with a newline. */
export function linesOf(text: string): string[] {
  return text.slice(0, -1).split("\n");
}

/** Parses the changes of one log entry. `at`: when it was written, ms since 1970. */
export function readChanges(queue: string, at: number, text: string): Change[] {
  // What the record before it had up to the id, and behind that: most records of an entry differ in their id only.
  let last: { readonly start: string; readonly tail: Tail; readonly change: Omit<Change, "jobId"> } | undefined;
  return linesOf(text).map((record): Change => {
    const kind = Number(record.slice(0, KIND_WIDTH));
    const isCreation = kind === CODES.kind.created;
    const width = isCreation ? CREATION_WIDTH : CHANGE_WIDTH;
    const blank = record.indexOf(" ", width);
    const tail = readTail(record.slice(blank + 1));
    const start = record.slice(0, width);
    if (last === undefined || last.start !== start || last.tail !== tail) {
      const from = isCreation ? CREATION.priority : STATE.priority;
      const change = {
        queue,
        type: tail.type,
        priority: numberIn(start, isCreation ? 0 : KIND_WIDTH, from),
        deleted: kind === CODES.kind.deleted,
        ...(isCreation ? createdState(at, numberIn(start, 0, CREATION.run_after)) : readState(start, KIND_WIDTH, tail)),
      };
      last = { start, tail, change };
    }
    return { jobId: jobIdOf(queue, record.slice(width, blank)), ...last.change };
  });
}
