import type { BackendListener, BackendOptions, ExpiredJob, QueueName } from "../../core/backend.js";
import type { Clock } from "../../core/clock.js";
import type { LeaseRequest } from "../../core/port/leases.js";
import { queueNotFound } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { cutText } from "../../model/common/text.js";
import { EXPIRED, type JobStatus, type Payload, payloadBytes, TRANSITIONS } from "../../model/job/job.js";
import { numberOf, queueOf } from "../../model/queue/ids.js";
import { DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS, type QueueSettings } from "../../model/queue/queue.js";
import { ChangeLog } from "./change-log.js";
import { Claims } from "./claims.js";
import { Expiring } from "./expiring.js";
import { FinishedJobs } from "./finished-jobs.js";
import { OrderedQueue } from "./indexes/ordered-queue.js";
import type { Moment } from "./indexes/two-clocks.js";
import type { StoreJournal } from "./journal.js";
import { type KeptBytes, KeptCount } from "./kept-bytes.js";
import { LeaseRequests } from "./lease-requests.js";
import { LeaseTokens } from "./lease-tokens.js";
import { Notices } from "./notices.js";
import { type QueuedJob, QueueState } from "./queue-state.js";
import { hold } from "./rates.js";
import { toChange } from "./records/copies.js";
import type { JobTimes } from "./records/job-record.js";
import { type HeldLease, small } from "./records/run-record.js";
import { Visits } from "./visits.js";

type LeaseTerms = Pick<LeaseRequest, "leaseMs" | "worker" | "isBuiltIn">;

type NewLease = Pick<HeldLease<QueuedJob>, "short" | "since" | "until" | "leaseMs" | "isBuiltIn">;

/** Most old finished jobs that are deleted when one job finishes. */
const TRIM_WORK = 64;

/**
 * Most scheduled jobs of a queue that are made ready, and most that are cancelled as they expired, before it is asked for jobs or
 * figures.
 */
export const DUE_WORK = 1000;

/** Dependencies of the memory backend. */
export interface MemoryBackendDeps {
  readonly clock: Clock;
  /** Returns a random number, 0 to 1. */
  readonly random: () => number;
  /**
   * Whether this process has no memory left for more jobs; called at every enqueue, with what the jobs of the store take now.
   * Default: never.
   */
  readonly isFull?: ((kept: KeptBytes) => boolean) | undefined;
  /** Told what changes, to keep it somewhere. Default: nobody. */
  readonly journal?: StoreJournal | undefined;
}

/**
 * All state of the memory backend, and the steps of a job's life. The operations (admin.ts, enqueue.ts, lease.ts,
 * settle.ts) are made of these steps; `announce` follows each operation.
 */
export class JobStore {
  readonly queues = new Map<string, QueueState>();
  readonly leases = new OrderedQueue<HeldLease<QueuedJob>>(
    (a, b) => a.place - b.place,
    (lease) => lease.record.run?.lease === lease,
  );
  readonly leaseRequests = new LeaseRequests();
  readonly finished = new FinishedJobs();
  readonly claims: Claims;
  readonly expiring: Expiring;
  /** What all jobs take. */
  readonly kept = new KeptCount();
  readonly log: ChangeLog;
  /** What the operation under way is to be announced with. */
  readonly notices = new Notices();
  /** Which queues the next tick has to look at. */
  readonly visits = new Visits<QueueState>();
  readonly clock: Clock;
  readonly options: BackendOptions;
  readonly isFull: () => boolean;
  /** Called after each operation; see `announce`. */
  listener: BackendListener | undefined;
  readonly journal: StoreJournal | undefined;
  readonly tokens: LeaseTokens;
  #lastTimes: JobTimes | undefined;
  /** Jobs that have expired, for the next tick to tell. */
  #expired: ExpiredJob[] = [];
  /** Deleted by the operation under way, whose answer may still need them. */
  #dropped: QueuedJob[] = [];
  #queueNames: readonly QueueName[] | undefined;
  /** Deleted queues, and their jobs that are still to be forgotten. */
  readonly #leaving: { readonly queue: QueueState; readonly records: Iterator<QueuedJob, void> }[] = [];

  constructor(deps: MemoryBackendDeps, options: BackendOptions, changeLogSize: number) {
    this.clock = deps.clock;
    this.claims = new Claims(deps.clock, this.finished);
    this.expiring = new Expiring(deps.clock, this.visits, this.notices);
    this.options = options;
    const { isFull } = deps;
    this.isFull = isFull === undefined ? () => false : () => isFull(this.kept);
    this.journal = deps.journal;
    const name = () =>
      Math.floor(deps.random() * 36 ** 8)
        .toString(36)
        .padStart(8, "0");
    this.log = new ChangeLog(changeLogSize, name(), this.isFull);
    this.tokens = new LeaseTokens(name());
    this.addQueue(new QueueState(DEFAULT_QUEUE, DEFAULT_QUEUE_SETTINGS, this.clock.now()));
  }

  /** Adds a queue, or puts it in the place of the one of its name, which must be empty. */
  addQueue(queue: QueueState): void {
    this.queues.set(queue.name, queue);
    this.visits.mark(queue);
  }

  /** The queue of this name. Throws QUEUE_NOT_FOUND. */
  queue(name: string): QueueState {
    const queue = this.queues.get(name);
    if (queue === undefined) throw queueNotFound(name);
    return queue;
  }

  /** The job of this id; undefined when there is none. */
  job(id: string): QueuedJob | undefined {
    return this.queues.get(queueOf(id))?.jobs.get(numberOf(id));
  }

  /** The times of a new job; returns the same object as the last call when they are the same. */
  times(createdAt: number, runAfter: number): JobTimes {
    const last = this.#lastTimes;
    if (last?.createdAt === createdAt && last.runAfter === runAfter) return last;
    this.#lastTimes = { createdAt, runAfter };
    return this.#lastTimes;
  }

  /** Adds a new job: to its queue, to the change log, and to a line; a `waitMs` counts instead of its `runAfter`. */
  add(record: QueuedJob, waitMs: number | undefined): void {
    this.kept.add(record);
    record.queue.jobs.add(record.number, record);
    record.queue.all.insert(record);
    this.journal?.added(record);
    this.#log(record);
    this.line(record, waitMs, record.createdAt);
  }

  /** Cancels up to `max` jobs of a queue that have expired; returns how many. */
  expire(queue: QueueState, moment: Moment, max = DUE_WORK): number {
    if (queue.expiries === undefined) return 0;
    let count = 0;
    for (; count < max; count++) {
      const record = queue.expiries.due(moment);
      if (record === undefined) break;
      const { place } = record;
      this.#noteExpiry(record);
      this.finish(record, "CANCELED", moment.now);
      queue.forget(record, place);
      this.#expired.push({ jobId: record.id, queue: queue.name, type: record.type });
    }
    // The tick tells them; it does the rest too.
    if (count > 0) this.notices.due(0);
    return count;
  }

  /** The jobs that have expired since the last call. */
  takeExpired(): readonly ExpiredJob[] {
    if (this.#expired.length === 0) return [];
    const expired = this.#expired;
    this.#expired = [];
    return expired;
  }

  #noteExpiry(record: QueuedJob): void {
    const run = record.changing;
    run.errorStart = EXPIRED;
    this.kept.changeErrors(run, () => {
      run.error = EXPIRED;
    });
  }

  /** Changes the status, counts up the revision and logs it. Throws when the state table does not allow it. */
  step(record: QueuedJob, status: JobStatus, now: number): void {
    if (!TRANSITIONS[record.status].includes(status)) {
      throw new Error(`a job cannot go from ${record.status} to ${status}`);
    }
    record.status = status;
    this.touch(record, now);
  }

  /** Counts up the revision and logs the change; the status stays as it is. */
  touch(record: QueuedJob, now: number): void {
    const run = record.changing;
    run.revision++;
    run.updated = record.passed(record.stamp(now));
    this.#log(record);
  }

  /** Puts a PENDING job in the ready line. */
  ready(record: QueuedJob): void {
    if (record.queue.put(record)) this.notices.ready(record.queue, record.type);
  }

  /** Makes a PENDING job ready after `ms`, whatever the wall clock does meanwhile; until then it waits in this place. */
  wait(record: QueuedJob, ms: number, place: "WAITING" | "RETRYING" = "WAITING"): void {
    if (ms > 0) {
      record.queue.schedule(record, this.clock.monotonic() + ms, place);
      this.notices.due(ms);
    } else this.ready(record);
  }

  /** Puts a PENDING job in a line: ready or, until its `runAfter` or for `waitMs` if that is given, among those that wait. */
  line(record: QueuedJob, waitMs: number | undefined, now: number): void {
    if (waitMs !== undefined) this.wait(record, waitMs);
    else if (record.runAfter <= now) this.ready(record);
    else {
      record.queue.schedule(record);
      this.notices.due(record.runAfter - now);
    }
  }

  /**
   * Another record, which has no state yet, stands for a PENDING job from now on; `keepsExpiry`: it expires as before. The caller
   * logs the change, puts it in a line and takes the one before out of its own.
   */
  replace(record: QueuedJob, next: QueuedJob, keepsExpiry: boolean): void {
    this.kept.drop(record);
    next.run = record.changing;
    record.run = undefined;
    this.kept.add(next);
    if (record.expiry !== undefined) this.expiring.move(record, next, keepsExpiry);
    this.claims.move(record, next);
    record.place = "GONE";
    record.queue.replace(next);
    this.#dropped.push(record);
    this.journal?.revised(next, record);
  }

  /** Both clocks now. */
  moment(): Moment {
    return { now: this.clock.now(), monotonic: this.clock.monotonic() };
  }

  /** Makes up to `max` scheduled jobs ready that are due; returns how many. Those that are left become so in ticks. */
  promote(queue: QueueState, moment: Moment, max = DUE_WORK): number {
    const count = queue.promote(moment, max);
    if (count > 0) this.notices.ready(queue);
    if (count === max) this.notices.due(0);
    return count;
  }

  /** Obeys a new limit of keys for up to `max` of them; returns for how many. Those that are left are seen to in ticks. */
  reviewKeys(queue: QueueState, max = DUE_WORK): number {
    const count = queue.reviewKeys(max, (type) => this.notices.ready(queue, type));
    if (count === max || queue.isBackLate) this.notices.due(0);
    return count;
  }

  /** PENDING to RUNNING; returns the lease token. It must have been taken from its queue (`QueueState.take`). */
  lease(record: QueuedJob, { leaseMs, worker, isBuiltIn = false }: LeaseTerms, now: number): string {
    if (record.expiry !== undefined) this.expiring.outlive(record);
    if (record.claim !== undefined) this.claims.begun(record);
    const run = record.changing;
    run.worker = worker;
    run.started = record.passed(record.stamp(now));
    run.progress = undefined;
    run.deliveries++;
    this.step(record, "RUNNING", now);
    const since = this.clock.monotonic();
    const lease = { short: this.tokens.next(), since, until: since + leaseMs, leaseMs, isBuiltIn };
    const token = this.beginLease(record, lease);
    this.notices.due(leaseMs);
    return token;
  }

  /** A job has this lease from now on. Returns its token as workers know it. */
  beginLease(record: QueuedJob, { short, since, until, leaseMs, isBuiltIn }: NewLease): string {
    const token = this.tokens.text(short);
    const lease = { record, token, short, since, until, place: until, leaseMs, isBuiltIn };
    record.changing.lease = lease;
    this.leases.push(lease);
    return token;
  }

  /** Extends the current lease to last `leaseMs` from `monotonic` on; never shortens it. */
  hold(lease: HeldLease<QueuedJob>, leaseMs: number, monotonic: number): void {
    // Its place in `leases` stays as it is: when it comes up, `expire` puts it back with the later end.
    lease.until = Math.max(lease.until, monotonic + leaseMs);
    if (leaseMs <= lease.leaseMs) return;
    lease.leaseMs = leaseMs;
    this.journal?.changed(lease.record);
  }

  /** Ends a lease. `isSettled`: its token is remembered for repeats; `entryTaken`: it is out of `leases` already. */
  endLease(record: QueuedJob, isSettled: boolean, entryTaken = false): void {
    const { run, queue } = record;
    const lease = run?.lease;
    if (run === undefined || lease === undefined) return;
    run.lease = undefined;
    run.settledToken = isSettled ? lease.short : undefined;
    queue.ended(record, (type) => this.notices.ready(queue, type));
    if (queue.isBackLate) {
      this.visits.mark(queue);
      this.notices.due(0);
    }
    if (!entryTaken) this.leases.discard();
    if (queue.settings.maxConcurrency > 0 && !queue.isGone) this.notices.ready(queue);
  }

  /** RUNNING or PENDING to DONE or CANCELED. A result that has no room is left out. */
  finish(record: QueuedJob, status: "DONE" | "CANCELED", now: number, result?: Payload): void {
    if (record.expiry !== undefined) this.expiring.outlive(record);
    const { claim } = record;
    if (claim !== undefined && status === "DONE") this.claims.done(record);
    else if (claim !== undefined) this.claims.letGo(record);
    const run = record.changing;
    if (result === undefined || this.#makeRoom(payloadBytes(result))) {
      run.result = result;
      this.kept.addResult(result);
    } else run.resultDropped = true;
    run.finished = record.passed(record.stamp(now));
    run.cancelRequested = false;
    const monotonic = this.clock.monotonic();
    run.keptSince = small(Math.ceil(monotonic));
    this.step(record, status, now);
    if (status === "DONE") {
      record.queue.done++;
      record.queue.completed++;
      this.journal?.queueChanged(record.queue);
    }
    this.finished.push(record);
    this.trim(record.queue, TRIM_WORK);
    // Each job is forgotten once, so all that it takes is as much work as was done to keep them.
    while (this.finished.bytes > this.options.maxCompletedBytes && this.#forgetOldest() > 0);
    this.notices.due(claim?.live ? claim.until - monotonic : this.completedTtlMs(record.queue));
  }

  /** RUNNING or FAILED to DEAD. */
  die(record: QueuedJob, now: number): void {
    if (record.claim !== undefined) this.claims.letGo(record);
    const at = record.stamp(now);
    record.changing.finished = record.passed(at);
    this.step(record, "DEAD", now);
    record.queue.deadLetters.bury(record, at, this.clock.monotonic());
    const { deadTtlMs } = record.queue.settings;
    if (deadTtlMs !== null) this.notices.due(deadTtlMs);
    this.trimDead(record.queue, TRIM_WORK);
  }

  /** Stores the error text of a failed attempt or a lost lease. */
  noteError(record: QueuedJob, error: string, now: number): void {
    const { run } = record;
    if (run === undefined) return;
    run.errorStart = cutText(error, LIMITS.changeErrorLength);
    // Retries are never refused, so they must not take more memory when it is full.
    const isFull = this.isFull();
    const kept = isFull ? run.errorStart : cutText(error, LIMITS.attemptErrorLength);
    const entry = { at: record.stamp(now), error: kept, delivery: run.deliveries, worker: run.worker };
    this.kept.changeErrors(run, () => {
      run.error = isFull ? run.errorStart : error;
      run.attemptErrors = [...run.attemptErrors, entry].slice(isFull ? -1 : -LIMITS.attemptErrors);
    });
  }

  /** Deletes up to `max` finished jobs that are too old or too many; returns how many. Not logged as a change. */
  trim(queue: QueueState, max: number): number {
    const maxCompleted = queue.settings.maxCompleted ?? this.options.maxCompletedJobs;
    const since = this.clock.monotonic() - this.completedTtlMs(queue);
    let count = 0;
    while (count < max) {
      const oldest = queue.finished.peek();
      if (oldest === undefined) break;
      const tooOld = (oldest.run?.keptSince ?? 0) <= since;
      if (!tooOld && queue.finished.size <= maxCompleted) break;
      this.#drop(oldest);
      count++;
    }
    return count;
  }

  /** How long finished jobs of a queue are kept, ms. */
  completedTtlMs(queue: QueueState): number {
    return queue.settings.completedTtlMs ?? this.options.completeJobTtlMs;
  }

  /** Deletes up to `max` DEAD jobs that are too old or too many, those that died first; returns how many. */
  trimDead(queue: QueueState, max: number): number {
    const { deadTtlMs, maxDead } = queue.settings;
    if (deadTtlMs === null && maxDead === null) return 0;
    const { now, monotonic } = this.moment();
    let count = 0;
    while (count < max) {
      const oldest = queue.deadLetters.oldest();
      if (oldest === undefined) break;
      const tooOld = deadTtlMs !== null && oldest.since + deadTtlMs <= monotonic;
      if (!tooOld && (maxDead === null || queue.deadLetters.size <= maxDead)) break;
      this.delete(oldest.record, now);
      count++;
    }
    return count;
  }

  /** Deletes the job of all queues that finished first; returns its bytes, 0 when there is none. Not logged as a change. */
  #forgetOldest(): number {
    const oldest = this.finished.oldest();
    if (oldest === undefined) return 0;
    this.#drop(oldest);
    return oldest.changing.finishedBytes;
  }

  /** When the memory is full, deletes the oldest finished jobs for so many bytes. Returns whether there is room for them. */
  #makeRoom(bytes: number): boolean {
    if (!this.isFull()) return true;
    for (let room = 0; room < bytes; ) {
      const freed = this.#forgetOldest();
      if (freed === 0) return false;
      room += freed;
    }
    return true;
  }

  /** Deletes a job and logs it. A PENDING job must be out of its line already. */
  delete(record: QueuedJob, now: number): void {
    if (record.status === "RUNNING") this.endLease(record, false);
    if (record.status === "DEAD") record.queue.deadLetters.unbury(record);
    this.#drop(record);
    this.touch(record, now);
  }

  /** Creates a queue; there must be none of this name. */
  createQueue(name: string, settings: QueueSettings): QueueState {
    const earlier = this.#leaving.filter(({ queue }) => queue.name === name).map(({ queue }) => queue.generation + 1);
    const queue = new QueueState(name, settings, this.clock.now(), Math.max(0, ...earlier));
    this.addQueue(queue);
    this.markChanged(queue);
    return queue;
  }

  /** Deletes a queue: nobody finds it or its jobs any more. `forget` does the rest. */
  deleteQueue(queue: QueueState): void {
    this.queues.delete(queue.name);
    this.leave(queue);
    this.markChanged(queue);
  }

  /** Lets `forget` forget the jobs of a queue that is deleted. */
  leave(queue: QueueState): void {
    this.visits.leave(queue);
    this.#leaving.push({ queue, records: queue.abandon() });
  }

  /** Logs the deletion of up to `max` jobs of deleted queues, and lets go of them; returns whether there are more. */
  forget(max: number): boolean {
    const now = this.clock.now();
    for (let seen = 0; seen < max; seen++) {
      const leaving = this.#leaving[0];
      if (leaving === undefined) return false;
      const record = leaving.records.next().value;
      if (record === undefined) this.#leaving.shift();
      else if (!record.isGone) this.delete(record, now);
    }
    return this.#leaving.length > 0;
  }

  /** The queue was created, changed or deleted by this operation. */
  markChanged(queue: QueueState): void {
    this.notices.queue(queue.name);
    this.visits.mark(queue);
    this.#queueNames = undefined;
    this.journal?.queueChanged(queue);
  }

  /** The names and weights of the queues, sorted by name. The list is never changed, so it may be handed out. */
  get queueNames(): readonly QueueName[] {
    this.#queueNames ??= [...this.queues.values()]
      .map(({ name, settings }) => ({ name, weight: settings.weight }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#queueNames;
  }

  /** Calls the listener with what the operation that just ended did. */
  announce(): void {
    if (this.#dropped.length > 0) {
      for (const record of this.#dropped) record.release();
      this.#dropped = [];
    }
    if (this.notices.hasRated) this.#holdBack();
    this.notices.tell(this.listener, this.log);
  }

  /** Nobody is told of jobs that the rate of their queue holds back: they are told when their slot comes. */
  #holdBack(): void {
    const monotonic = this.clock.monotonic();
    this.notices.leaveOut((queue) => hold(this, queue, monotonic));
  }

  #log(record: QueuedJob): void {
    const change = toChange(record);
    this.log.append(change, record);
    // Each step of a job is logged, and any may bring forward what is next due in its queue.
    this.visits.mark(record.queue);
    this.notices.changed(change);
    this.journal?.changed(record, change);
  }

  #drop(record: QueuedJob): void {
    const { queue, status } = record;
    if (record.expiry !== undefined) this.expiring.outlive(record);
    const wasHeld = record.claim !== undefined && this.claims.letGo(record);
    record.place = "GONE";
    const isFinished = status === "DONE" || status === "CANCELED";
    this.kept.drop(record, isFinished ? record.run?.finishedBytes : undefined);
    this.#dropped.push(record);
    if (isFinished) this.finished.discard(record, wasHeld);
    queue.jobs.delete(record.number);
    const { requestId } = record;
    if (requestId !== undefined) queue.requestIds.jobGone(requestId, record.number, this.clock.monotonic());
    if (status === "DONE") queue.done--;
    queue.all.discard();
    this.journal?.gone(record);
  }
}
