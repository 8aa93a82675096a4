import type { RowOutcome } from "../../../core/backend.js";
import type { BulkAction } from "../../../core/port/listing.js";
import type { JobUpdate } from "../../../core/port/new-jobs.js";
import { createMatcher, type StoreMatch } from "../../../core/stores/job-matcher.js";
import { jobNotFound, jobStateConflict, memoryFull, runsTooLate } from "../../../model/common/errors.js";
import type { Job, JobStatus } from "../../../model/job/job.js";
import type { JobView } from "../../../model/job/job-filter.js";
import type { Moment } from "../indexes/two-clocks.js";
import type { JobStore } from "../job-store.js";
import { pendingStatesOf, toReadJob } from "../pending.js";
import type { QueuedJob } from "../queue-state.js";
import { toJob } from "../records/copies.js";
import { NEVER } from "../records/run-record.js";
import { basic } from "./listing.js";
import { hurry, revise } from "./revise.js";

/** Reads jobs; undefined where there is none. */
export function get(store: JobStore, ids: readonly string[], view: JobView = "FULL"): (Job | undefined)[] {
  const moment = store.moment();
  return ids.map((id) => {
    const record = store.job(id);
    if (record?.status === "PENDING") store.promote(record.queue, moment);
    const job = record && toReadJob(store, record);
    return job && view === "BASIC" ? basic(job) : job;
  });
}

/** Cancels a PENDING job at once; marks a RUNNING one as cancel requested, for its worker to acknowledge. */
export function cancel(store: JobStore, id: string): Job {
  const record = store.job(id);
  if (record === undefined) throw jobNotFound(id);
  if (!cancelOne(store, record, store.clock.now()) && record.status !== "RUNNING" && record.status !== "CANCELED") {
    throw jobStateConflict(id, record.status, "PENDING or RUNNING");
  }
  return toJob(record);
}

/** Makes a PENDING job ready now; changes nothing when it is ready. */
export function run(store: JobStore, id: string): Job {
  const record = store.job(id);
  if (record === undefined) throw jobNotFound(id);
  if (record.status !== "PENDING") throw jobStateConflict(id, record.status, "PENDING");
  return toReadJob(store, hurry(store, record));
}

/** Changes priority, time or payload of a PENDING job. */
export function update(store: JobStore, id: string, changes: JobUpdate): Job {
  const record = store.job(id);
  if (record === undefined) throw jobNotFound(id);
  if (record.status !== "PENDING") throw jobStateConflict(id, record.status, "PENDING");
  const moment = store.moment();
  store.promote(record.queue, moment);
  const { priority = record.priority, payload = record.payload, delayMs } = changes;
  const runAfter = changes.runAfter ?? (delayMs === undefined ? undefined : moment.now + delayMs);
  if (runAfter !== undefined && runAfter - moment.now >= Math.max(1, expiresInMs(record, moment))) {
    throw runsTooLate(changes.runAfter === undefined ? "delay" : "runAfter");
  }
  if (changes.payload !== undefined && store.isFull()) throw memoryFull();
  const { label, ...spec } = record.shared;
  const isSame = priority === label.priority;
  const shared = isSame ? record.shared : record.queue.sharedSpecOf({ ...spec, type: label.type, priority });
  const when =
    runAfter === undefined ? undefined : { runAfter, waitMs: changes.runAfter === undefined ? delayMs : undefined };
  return toReadJob(store, revise(store, record, { shared, payload: payload ?? undefined, when }, moment.now));
}

/** Ms until a job expires; infinity: it does not. */
function expiresInMs({ expiry }: QueuedJob, { now, monotonic }: Moment): number {
  if (!expiry?.live) return Number.POSITIVE_INFINITY;
  return expiry.until - (expiry.isTimed ? now : monotonic);
}

/** Returns whether it changed anything. */
function cancelOne(store: JobStore, record: QueuedJob, now: number): boolean {
  if (record.status === "PENDING") {
    const { place } = record;
    store.finish(record, "CANCELED", now);
    // `finish` deletes the job when no finished jobs are kept, and then its place is GONE: hence the copy.
    record.queue.forget(record, place);
    return true;
  }
  if (record.status !== "RUNNING" || record.run === undefined || record.run.cancelRequested) return false;
  record.run.cancelRequested = true;
  store.touch(record, now);
  return true;
}

/** DEAD to PENDING, ready now, with no retries used and no lost leases. */
export function replay(store: JobStore, ids: readonly string[]): RowOutcome[] {
  const now = store.clock.now();
  return ids.map((id) => {
    const record = store.job(id);
    if (record === undefined) return { outcome: "NOT_FOUND" };
    const { status } = record;
    if (status !== "DEAD") return { outcome: "CONFLICT", status };
    const by = replayOne(store, record, now);
    if (by !== undefined) return { outcome: "KEY_HELD", by: by.id };
    return { outcome: "APPLIED", job: toReadJob(store, record) };
  });
}

/** Replays a DEAD job. Returns the job that holds its unique key, if one does: it changes nothing then. */
function replayOne(store: JobStore, record: QueuedJob, now: number): QueuedJob | undefined {
  const holder = store.claims.takeAgain(record);
  if (holder !== undefined) return holder;
  const run = record.changing;
  record.queue.deadLetters.unbury(record);
  run.retryCount = 0;
  run.lostLeases = 0;
  record.runAfter = now;
  run.finished = NEVER;
  store.step(record, "PENDING", now);
  store.ready(record);
  return undefined;
}

/** Deletes the jobs that are in one of these statuses (never PENDING or RUNNING: see `Backend.remove`). */
export function remove(store: JobStore, ids: readonly string[], statuses: readonly JobStatus[]): RowOutcome[] {
  const now = store.clock.now();
  return ids.map((id) => {
    const record = store.job(id);
    if (record === undefined) return { outcome: "NOT_FOUND" };
    if (!statuses.includes(record.status)) return { outcome: "CONFLICT", status: record.status };
    store.delete(record, now);
    return { outcome: "APPLIED" };
  });
}

const DELETABLE: readonly JobStatus[] = ["DONE", "CANCELED", "DEAD"];

/** Changes those of these jobs that match, and whose status allows it; returns how many. */
export function act(store: JobStore, action: BulkAction, ids: readonly string[], match: StoreMatch): number {
  const now = store.clock.now();
  const matches = createMatcher(match, pendingStatesOf(store));
  const moment = store.moment();
  let count = 0;
  for (const id of ids) {
    const record = store.job(id);
    if (record === undefined) continue;
    if (match.pendingStates?.length && record.status === "PENDING") store.promote(record.queue, moment);
    if (!matches(record)) continue;
    if (action === "CANCEL") count += Number(cancelOne(store, record, now));
    else if (action === "REPLAY") {
      if (record.status === "DEAD" && replayOne(store, record, now) === undefined) count++;
    } else if (DELETABLE.includes(record.status)) {
      store.delete(record, now);
      count++;
    }
  }
  return count;
}
