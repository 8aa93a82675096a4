import type { TickResult } from "../../../core/backend.js";
import type { ExtendResult, Extension, Lease, LeaseRef, LeaseRequest, LostLease } from "../../../core/port/leases.js";
import { DUE_SCHEDULES, type DueSchedule } from "../../../core/port/schedule-store.js";
import { jobBytes, LEASE_RAN_OUT, poisonJobError } from "../../../model/job/job.js";
import type { Moment } from "../indexes/two-clocks.js";
import { DUE_WORK, type JobStore } from "../job-store.js";
import type { QueuedJob, QueueState } from "../queue-state.js";
import { letGo, noteHandOut, refund, slotsOf } from "../rates.js";
import { toJob } from "../records/copies.js";
import type { HeldLease } from "../records/run-record.js";
import { dueSchedules } from "./schedules.js";

/**
 * Most jobs that one tick processes of each kind of work: ends of leases, promotions, deletions of old jobs and of those of
 * deleted queues.
 */
const TICK_WORK = 1000;

/** Least wait before the next tick for the end of a lease and for finished jobs, ms: several are then done at once. */
const LEASE_GRAIN_MS = 100;
const TRIM_GRAIN_MS = 1000;

const NEVER = Number.POSITIVE_INFINITY;

/** Leases ready jobs. A repeat of a request returns the leases it got before that are still held, and no others. */
export function lease(store: JobStore, request: LeaseRequest): Lease[] {
  const { requestId, worker, leaseMs } = request;
  if (requestId === undefined) return leaseReady(store, request);
  const monotonic = store.clock.monotonic();
  const held = store.leaseRequests.find(worker, requestId, monotonic).flatMap((ref) => heldLease(store, ref) ?? []);
  if (held.length > 0) return held;
  const leases = leaseReady(store, request);
  const refs = leases.map(({ job, token }) => ({ jobId: job.id, token }));
  if (refs.length > 0) {
    store.leaseRequests.remember(worker, requestId, refs, monotonic + leaseMs);
    store.journal?.leaseRequest({ worker, requestId, refs, leaseMs });
  }
  return leases;
}

function leaseReady(store: JobStore, request: LeaseRequest): Lease[] {
  const { max, maxBytes = Number.POSITIVE_INFINITY, leaseMs } = request;
  const leases: Lease[] = [];
  let bytes = 0;
  const moment = store.moment();
  const isEnough = () => leases.length >= max || bytes >= maxBytes;
  for (const name of request.queues) {
    const queue = store.queues.get(name);
    if (queue === undefined || queue.paused) {
      request.emptied?.(name);
      continue;
    }
    // Of too many that have expired, the rest goes first: none of them may be handed out.
    if (store.expire(queue, moment) === DUE_WORK) {
      store.notices.ready(queue);
      request.emptied?.(name);
      continue;
    }
    store.promote(queue, moment);
    const { maxConcurrency } = queue.settings;
    const slots = slotsOf(queue, moment.monotonic);
    const before = leases.length;
    while (
      !isEnough() &&
      leases.length - before < slots &&
      (maxConcurrency === 0 || queue.running.size < maxConcurrency)
    ) {
      const record = queue.take(request.types);
      if (record === undefined) break;
      const token = store.lease(record, request, moment.now);
      const job = toJob(record);
      if (maxBytes !== Number.POSITIVE_INFINITY) bytes += jobBytes(job);
      leases.push({ job, token, expiresInMs: leaseMs });
    }
    noteHandOut(store, queue, moment.monotonic, leases.length - before);
    if (isEnough()) break;
    request.emptied?.(name);
  }
  return leases;
}

/** The lease as it is now; undefined when it has ended. */
function heldLease(store: JobStore, { jobId, token }: LeaseRef): Lease | undefined {
  const record = store.job(jobId);
  const held = record?.run?.lease;
  if (record === undefined || held?.token !== token) return undefined;
  return { job: toJob(record), token, expiresInMs: leftMs(held, store.clock.monotonic()) };
}

function leftMs({ until }: HeldLease<QueuedJob>, monotonic: number): number {
  return Math.max(0, Math.floor(until - monotonic));
}

/** Extends leases and stores progress. */
export function extend(store: JobStore, items: readonly Extension[]): ExtendResult[] {
  const now = store.clock.now();
  const monotonic = store.clock.monotonic();
  return items.map((item) => {
    const record = store.job(item.jobId);
    const run = record?.run;
    const held = run?.lease;
    if (record === undefined || run === undefined || held?.token !== item.token) {
      return { outcome: "LEASE_LOST", expiresInMs: 0 };
    }
    if (item.progress !== undefined) {
      run.progress = item.progress;
      store.touch(record, now);
    }
    if (!run.cancelRequested && item.leaseMs !== undefined) {
      store.hold(held, item.leaseMs, monotonic);
    }
    return { outcome: run.cancelRequested ? "CANCEL_REQUESTED" : "OK", expiresInMs: leftMs(held, monotonic) };
  });
}

/** What a tick may still do of each kind of work. */
interface Budget {
  promotions: number;
  trims: number;
  expiries: number;
  reviews: number;
}

/** Does what is due: ends expired leases, makes scheduled jobs ready, deletes old finished and dead jobs. */
export function tick(store: JobStore): TickResult {
  const moment = store.moment();
  const { lost, isMore } = expire(store, moment);
  const budget: Budget = { promotions: TICK_WORK, trims: TICK_WORK, expiries: TICK_WORK, reviews: TICK_WORK };
  const schedules: DueSchedule[] = [];
  const spent: QueueState[] = [];
  const late: QueueState[] = [];
  for (const queue of store.visits.take(moment)) {
    const wasSpent = isSpent(budget);
    visit(store, queue, moment, budget, schedules);
    if (isSpent(budget)) (wasSpent ? late : spent).push(queue);
  }
  // Something may be left in these. Those that came too late go first in the next tick: a busy queue keeps no other waiting.
  for (const queue of [...late, ...spent]) store.visits.mark(queue);
  let nextInMs = Math.max(0, store.visits.nextInMs(moment, TRIM_GRAIN_MS));
  const lease = store.leases.peek();
  if (lease !== undefined) nextInMs = Math.min(nextInMs, Math.max(lease.place - moment.monotonic, LEASE_GRAIN_MS));
  if (store.forget(TICK_WORK) || isMore || isSpent(budget)) nextInMs = 0;
  const expired = store.takeExpired();
  return { lost, expired, schedules, nextInMs: nextInMs === Number.POSITIVE_INFINITY ? undefined : nextInMs };
}

function isSpent({ promotions, trims, expiries, reviews }: Budget): boolean {
  return promotions === 0 || trims === 0 || expiries === 0 || reviews === 0;
}

/** Does what is due in a queue, as far as the budget goes, and notes when it is next to be visited. */
function visit(store: JobStore, queue: QueueState, moment: Moment, budget: Budget, schedules: DueSchedule[]): void {
  if (queue.schedules !== undefined) {
    schedules.push(...dueSchedules(queue, moment.now, DUE_SCHEDULES - schedules.length));
  }
  budget.expiries -= store.expire(queue, moment, budget.expiries);
  budget.trims -= store.claims.endHolds(queue, budget.trims);
  budget.promotions -= store.promote(queue, moment, budget.promotions);
  budget.reviews -= store.reviewKeys(queue, budget.reviews);
  const slotInMs = letGo(store, queue, moment);
  budget.trims -= store.trim(queue, budget.trims);
  budget.trims -= store.trimDead(queue, budget.trims);
  const { nextDue, expiries } = queue;
  const expiry = expiries?.next;
  store.visits.set(queue, {
    timed: Math.min(nextDue.timed, expiry?.timed ?? NEVER, queue.schedules?.nextAt ?? NEVER),
    measured: Math.min(nextDue.measured, expiry?.measured ?? NEVER, moment.monotonic + slotInMs),
    kept: keptUntil(store, queue),
  });
}

/** When the next retention or hold of a queue ends, ms on the monotonic clock; infinity: none does. */
function keptUntil(store: JobStore, queue: QueueState): number {
  const { deadTtlMs } = queue.settings;
  const finished = queue.finished.peek()?.run?.keptSince;
  const died = deadTtlMs === null ? undefined : queue.deadLetters.oldest();
  return Math.min(
    queue.uniqueKeys?.kept.peek()?.until ?? NEVER,
    finished === undefined ? NEVER : finished + store.completedTtlMs(queue),
    died === undefined ? NEVER : died.since + (deadTtlMs ?? NEVER),
  );
}

/** Ends expired leases. Returns which, and whether there may be more. */
function expire(store: JobStore, { now, monotonic }: Moment): { lost: LostLease[]; isMore: boolean } {
  const lost: LostLease[] = [];
  for (let seen = 0; seen < TICK_WORK; seen++) {
    const held = store.leases.peek();
    if (held === undefined || held.place > monotonic) return { lost, isMore: false };
    store.leases.pop();
    const { record, until } = held;
    // The job of a deleted queue is forgotten in its turn.
    if (record.queue.isGone) store.endLease(record, false, true);
    else if (until > monotonic) {
      held.place = until;
      store.leases.push(held);
    } else lost.push(loseLease(store, record, now));
  }
  return { lost, isMore: true };
}

/** Counts a lost lease. Returns whether the job has lost too many. */
export function countLost(store: JobStore, record: QueuedJob, now: number): boolean {
  const run = record.changing;
  run.lostLeases++;
  const isPoison = run.lostLeases > store.options.maxLostLeases;
  store.noteError(record, isPoison ? poisonJobError(run.lostLeases) : LEASE_RAN_OUT, now);
  return isPoison;
}

function loseLease(store: JobStore, record: QueuedJob, now: number): LostLease {
  const { deliveries, worker } = record.changing;
  const lease = { jobId: record.id, queue: record.queue.name, type: record.type, deliveries, worker };
  const poison = countLost(store, record, now);
  store.endLease(record, false, true);
  if (record.changing.cancelRequested) store.finish(record, "CANCELED", now);
  else if (poison) store.die(record, now);
  else requeue(store, record, now);
  return { ...lease, status: record.status };
}

/** RUNNING to PENDING at the job's old place in line; its lease must be over. */
export function requeue(store: JobStore, record: QueuedJob, now: number): void {
  store.step(record, "PENDING", now);
  // Ready even when its runAfter is ahead of a wall clock that stepped back: it was ready before.
  store.ready(record);
}

/** Takes leases back that reached nobody, as if they had never been: their jobs are PENDING, and nothing is counted. */
export function takeBack(store: JobStore, leases: readonly Lease[]): void {
  const now = store.clock.now();
  for (const { job, token } of leases) {
    const record = store.job(job.id);
    if (record?.run?.lease === undefined || record.run.lease.token !== token) continue;
    record.run.deliveries--;
    refund(store, record.queue, 1);
    record.queue.giveBack(record);
    store.endLease(record, false);
    if (record.run.cancelRequested) store.finish(record, "CANCELED", now);
    else requeue(store, record, now);
    store.expiring.again(record);
    if (record.run.deliveries === 0 && record.status === "PENDING") store.claims.takeAgain(record);
  }
}

/** Lets every lease last its whole time from now on, after a time in which none could be extended. */
export function renewLeases(store: JobStore): void {
  const monotonic = store.clock.monotonic();
  for (const { running } of store.queues.values()) {
    for (const record of running) {
      const held = record.run?.lease;
      if (held !== undefined) store.hold(held, held.leaseMs, monotonic);
    }
  }
}
