import type { Payload } from "../../../model/job/job.js";
import type { JobStore } from "../job-store.js";
import type { QueuedJob, QueuedJobSpec } from "../queue-state.js";
import { isWaitingPlace, newRecord, type RareFields } from "../records/job-record.js";

/** What a PENDING job is from now on. */
export interface Revision {
  readonly shared: QueuedJobSpec;
  readonly payload: Payload | undefined;
  /** When it may run: `runAfter`, ms since 1970, by the wall clock or, with `waitMs`, so many ms from now. Default: as before. */
  readonly when?: { readonly runAfter: number; readonly waitMs?: number | undefined } | undefined;
  /** Its rare fields, with a new time only. It then expires only if `Expiring.later` is called. Default: as before. */
  readonly rare?: RareFields | undefined;
}

/**
 * Gives a PENDING job other content, another time or both, in one change; it keeps its number, its creation, its request id and its
 * state. Returns its record. That is another one when the job stands elsewhere in line now: indexes sort by what a record has,
 * and know by its record that an entry is stale.
 */
export function revise(store: JobStore, record: QueuedJob, to: Revision, now: number): QueuedJob {
  const { shared, payload, when, rare } = to;
  const { type, priority } = shared.label;
  const isSameLine = record.place !== "READY" || (type === record.type && priority === record.priority);
  if (isSameLine && when === undefined) {
    store.kept.drop(record);
    record.shared = shared;
    record.payload = payload;
    store.kept.add(record);
    store.journal?.revised(record);
    store.touch(record, now);
    return record;
  }
  const times = when === undefined ? record.times : store.times(record.createdAt, when.runAfter);
  const next = newRecord(rare ?? record.rare, record.number, shared, payload, record.requestId, times);
  const { place, queue } = record;
  store.replace(record, next, rare === undefined);
  store.touch(next, now);
  if (when === undefined) store.ready(next);
  else store.line(next, when.waitMs, now);
  // Last, so that its key has a job that is ready all the time when the job stays so.
  queue.forget(record, place);
  return next;
}

/** Makes a PENDING job ready now; changes nothing when it is ready already. Returns its record. */
export function hurry(store: JobStore, record: QueuedJob): QueuedJob {
  const moment = store.moment();
  store.promote(record.queue, moment);
  const { place, shared, payload } = record;
  if (!isWaitingPlace(place)) return record;
  return revise(store, record, { shared, payload, when: { runAfter: moment.now } }, moment.now);
}
