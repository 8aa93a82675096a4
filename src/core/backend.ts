import type { Job, JobStatus } from "../model/job/job.js";
import type { JobView } from "../model/job/job-filter.js";
import type { Queue, QueueSettings } from "../model/queue/queue.js";
import type { Taken } from "../model/queue/taken.js";
import type { ChangeBatch, ChangeFilter, ChangePage, Followed } from "./port/changes.js";
import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  Lease,
  LeaseRequest,
  LostLease,
  Release,
  Settlement,
} from "./port/leases.js";
import type {
  BulkAction,
  CountPage,
  CountQuery,
  GroupPage,
  KeyPage,
  ListDeadQuery,
  ListPage,
  ListQuery,
} from "./port/listing.js";
import type { EnqueueResult, JobUpdate, NewJob } from "./port/new-jobs.js";
import type { DueSchedule, ScheduleStore } from "./port/schedule-store.js";
import type { StoreSizes } from "./port/store-observer.js";
import type { StoreMatch } from "./stores/job-matcher.js";
/**
 * The interface between the core and a store of jobs. Every operation is atomic; an operation on a batch is atomic for
 * each item, unless it says otherwise. A backend makes only the transitions of the state table in job.ts (the memory
 * backend checks each against the table; each Redis script contains the transitions it may make) and appends each
 * change to the change log in the same step.
 *
 * Points in time come from the backend's own clock (with Redis, that of Redis), so callers mostly pass and receive
 * durations. Leases, delays, backoffs and retention last as long as was said, whatever that clock does: it only stamps,
 * and decides when a `runAfter` or an `expiresAt` has passed; a `ttlMs` is measured. The stamps of one job never fall. Expected failures
 * are `TaskQueueError`s; any operation may fail with BACKEND_UNAVAILABLE.
 */
export interface Backend extends ScheduleStore {
  /** The name of this kind of store, for people. */
  readonly kind: string;
  /** Whether jobs outlive this process. */
  readonly durable: boolean;

  /**
   * Makes the backend usable; `listener` is called from then on, for the jobs that are ready already too. The default
   * queue exists afterwards.
   */
  start(listener: BackendListener): Promise<void>;
  /** Releases its resources. Idempotent. */
  stop(): Promise<void>;

  /** Resolves to the time the backend puts on jobs, ms since 1970. */
  now(): Promise<number>;

  /**
   * Creates jobs; results are in the order of `jobs`. All queues are checked before the first job is created, so
   * QUEUE_NOT_FOUND and QUEUE_FULL refuse the whole batch; the jobs of one queue are created in one step, but for many
   * of which some have keys or are unique. A requestId
   * known to the queue, or used earlier in the batch, creates nothing: the result is the job that was created with it.
   * REQUEST_ID_REUSED refuses the whole batch when that was for another content; see `requestIdReused`.
   *
   * Only then a `unique` key is looked at: while another job of the queue, or an earlier one of the batch, holds it, `onConflict` says
   * what happens. JOB_EXISTS refuses the whole batch; see `jobExists`. A create that meets a holder is remembered with its
   * requestId for `REQUEST_ID_TTL_MS`. A key that was taken between the check of several steps and the creates is answered as KEEP.
   *
   * A job holds its key from its creation until it is DONE, CANCELED, DEAD or deleted, or, with `until` STARTED, leased; with a
   * `holdMs`, until it was created that long ago, unless it is CANCELED, DEAD or deleted sooner. While it holds it, a DONE job is not
   * forgotten for its age or their number, only for their bytes when no others are left; after that it counts as finished then. A lease
   * that is taken back, as it never reached anybody, takes the key back if it is free.
   */
  enqueue(jobs: readonly NewJob[]): Promise<readonly EnqueueResult[]>;
  /**
   * Leases up to `max` ready jobs: as many as possible from the first queue, then the next, each in its own order. It may
   * end before it has asked all of them. A job that has expired is not among them. A queue that fails takes nothing from the others: the
   * call fails only when no queue gave a job. `expiresInMs` of a lease is what is left of it at the end of the call, or less.
   */
  lease(request: LeaseRequest): Promise<readonly Lease[]>;
  /** RUNNING to DONE, with the current token. */
  complete(items: readonly Completion[]): Promise<readonly Settlement[]>;
  /** RUNNING through FAILED to PENDING or DEAD, with the current token; to CANCELED if a cancel was requested. */
  fail(items: readonly Failure[]): Promise<readonly Settlement[]>;
  /**
   * RUNNING to PENDING in its old place, or after a delay, with the current token; to CANCELED if a cancel was requested; one that
   * `isLost` to DEAD when it was lost too often.
   */
  release(items: readonly Release[]): Promise<readonly Settlement[]>;
  /** Extends leases and stores progress, with the current token. */
  extend(items: readonly Extension[]): Promise<readonly ExtendResult[]>;

  /**
   * Cancels a PENDING job, or requests the cancel of a RUNNING one; resolves to the job after that. Changes nothing if
   * it is CANCELED or its cancel was requested already. JOB_NOT_FOUND; JOB_STATE_CONFLICT if DONE or DEAD.
   */
  cancel(id: string): Promise<Job>;
  /**
   * Makes a PENDING job ready now, whatever it waits for: its `runAfter` is the time now. Changes nothing if it is ready already.
   * Resolves to the job after that. JOB_NOT_FOUND; JOB_STATE_CONFLICT in any other status.
   */
  run(id: string): Promise<Job>;
  /**
   * Changes a PENDING job: its priority, when it may run, its payload, in one step that counts its revision up once; what is not
   * given stays, a wait under way too. Resolves to the job after that. JOB_NOT_FOUND; JOB_STATE_CONFLICT in any other status;
   * FIELD_INVALID for a time at which it has expired; QUEUE_FULL for a payload that there is no room for.
   */
  update(id: string, changes: JobUpdate): Promise<Job>;
  /**
   * Reads jobs, in the order of `ids`; undefined where there is none. `view`: default FULL. `maxBytes`: only for ids of one queue; the
   * answer may end with the job that brings it to so many bytes, about; the first one always fits. Default: all are read.
   */
  get(ids: readonly string[], view?: JobView, maxBytes?: number): Promise<readonly (Job | undefined)[]>;
  /** Reads a page of a queue's jobs by createdAt, then number; examines a bounded number of jobs. QUEUE_NOT_FOUND. */
  list(query: ListQuery): Promise<ListPage>;
  /** Reads a page of a queue's DEAD jobs, by time of death; examines a bounded number of jobs. QUEUE_NOT_FOUND. */
  listDead(query: ListDeadQuery): Promise<ListPage>;
  /** The keys of the jobs that `list` would answer. */
  listKeys(query: ListQuery): Promise<KeyPage>;
  /** The keys of the jobs that `listDead` would answer. */
  listDeadKeys(query: ListDeadQuery): Promise<KeyPage>;
  /** Counts the jobs of a queue that match; examines a bounded number of jobs, the newest first. QUEUE_NOT_FOUND. */
  count(query: CountQuery): Promise<CountPage>;
  /** Counts the dead jobs of a queue that match by group; examines a bounded number, the latest death first. QUEUE_NOT_FOUND. */
  groupDead(query: CountQuery): Promise<GroupPage>;
  /**
   * Does something to each of these jobs that still matches and whose status allows it; resolves to how many it changed. The jobs of
   * one queue are changed in one step, or in several when they are many.
   */
  act(action: BulkAction, ids: readonly string[], match: StoreMatch): Promise<number>;
  /** DEAD to PENDING, ready now. A job that was created with a unique key takes it again; while another holds it, it stays DEAD. */
  replay(ids: readonly string[]): Promise<readonly RowOutcome[]>;
  /** Deletes jobs that have one of these statuses. Callers never name PENDING or RUNNING. */
  remove(ids: readonly string[], statuses: readonly JobStatus[]): Promise<readonly RowOutcome[]>;

  /** Creates a queue. QUEUE_EXISTS. */
  createQueue(name: string, settings: QueueSettings): Promise<Queue>;
  /**
   * Reads the named queues that exist, or all queues, sorted by name. Those that need a newer server are left out of all queues,
   * and of a `part` of them; a queue that is named for itself is refused with UPGRADE_REQUIRED.
   */
  queues(names?: readonly string[], of?: "part"): Promise<readonly Queue[]>;
  /**
   * The names and weights of all queues, sorted by name, as this process knows them: what other processes changed a
   * moment ago may be missing. Costs no call to a store.
   */
  queueNames(): Promise<readonly QueueName[]>;
  /** Counts the ready jobs of each of these types in a queue; in the order of `types`, 0 where there are none. */
  countReady(queue: string, types: readonly string[]): Promise<readonly number[]>;
  /** What the workers of other processes on this store take, told some seconds ago; undefined: not known of all of them. */
  takenElsewhere(): Promise<readonly Taken[] | undefined>;
  /**
   * Asks to be the process that tells the figures of all queues, so that what several processes on one store tell adds up; resolves
   * to whether this one is it. At any time one at the most is: it stays it while it asks again within two and a half minutes, and when
   * it ends the next that asks some seconds later is it.
   */
  claimFigures(): Promise<boolean>;
  /** What the store takes, as far as it can be told. */
  sizes(): Promise<StoreSizes>;
  /** Changes some settings. QUEUE_NOT_FOUND; QUEUE_NOT_EMPTY if the ordering changes while jobs are PENDING. */
  updateQueue(name: string, settings: Partial<QueueSettings>): Promise<Queue>;
  /** Pauses or resumes a queue; a paused queue leases no jobs. QUEUE_NOT_FOUND. */
  setPaused(name: string, paused: boolean): Promise<Queue>;
  /**
   * Deletes a queue and its jobs: at once it exists for nobody. The deletions of its jobs may be reported later, in parts; a
   * new queue of this name has nothing of the old one. QUEUE_NOT_FOUND; without `force`, QUEUE_NOT_EMPTY if it has PENDING,
   * RUNNING or DEAD jobs.
   */
  deleteQueue(name: string, force: boolean): Promise<void>;
  /** Deletes up to `limit` PENDING jobs of a queue (default: all); resolves to how many. QUEUE_NOT_FOUND. */
  purge(name: string, limit?: number): Promise<number>;

  /**
   * Does the work that is due: ends expired leases, cancels jobs that have expired, makes scheduled jobs ready, forgets
   * finished jobs, deletes dead ones as their queues say; tells the schedules that are due. One call does a bounded amount; `nextInMs` is
   * 0 if there is more.
   */
  tick(): Promise<TickResult>;

  /** Resolves to the cursor after the newest change. */
  head(): Promise<string>;
  /**
   * Reads up to `limit` matching changes after a cursor, oldest first, and the cursor to continue from. Examines a
   * bounded number of changes, so a page may be empty although `next` has moved on. WATCH_COMPACTED if the log does not
   * go back to the cursor any more; FIELD_INVALID if it is not a cursor.
   */
  read(cursor: string, limit: number, filter: ChangeFilter): Promise<ChangePage>;
  /**
   * The cursor after the changes that the listener was told of, for a watch of these queues (undefined: of all). Undefined while
   * that cannot be said; see `BackendListener.interrupted`.
   */
  told(queues: ReadonlySet<string> | undefined): string | undefined;
  /**
   * Says that somebody here watches this, or nobody any more: before the first call nobody does. A store may leave out changes that
   * nobody watches and that do not concern workers of this process. Whoever watches calls this first and reads then: what changes
   * after that is told. Not to be called again with what is followed already.
   */
  follow(followed: Followed, isWatched: boolean): void;
}

/** Called by a backend when something happened: right after the step, never inside it. Methods must not throw. */
export interface BackendListener {
  /** Jobs of this queue may have become ready: of these types, or of any when none is named. */
  ready(queue: string, types?: readonly string[]): void;
  /** `tick` will have work to do `inMs` from now. */
  due(inMs: number): void;
  /**
   * These changes were appended to the change log. Each is reported once, those of one queue in their order; those that nobody watches
   * may be left out, see `Backend.follow`.
   */
  changes(batch: ChangeBatch): void;
  /** Jobs of this queue have changed, of which `changes` may have left out some. Default: nobody wants to know. */
  counts?(queue: string): void;
  /**
   * Called before changes may be told late or not at all, or the log becomes another: from now on who wants all of them reads
   * them, until a page says that it ends where the listener was told (`ChangePage.told`).
   */
  interrupted(): void;
  /** This queue was created, changed or deleted; any may have been, when none is named. */
  queues(name?: string): void;
  /** The store has lost its data: of all queues only the default one exists again. */
  emptied(): void;
  /** The backend became reachable, or unreachable: operations then fail with BACKEND_UNAVAILABLE. */
  available(isAvailable: boolean): void;
  /** Some changes may never be reported: whoever waits for a change must read the current state. */
  resync(): void;
  /** What the workers of this process take, for other processes. Default: nobody knows. */
  taken?(): readonly Taken[];
}

/** A queue and its weight, for the order in which queues are asked. */
export interface QueueName {
  readonly name: string;
  readonly weight: number;
}

/**
 * The result for one job of a batch. NOT_FOUND: no such job. CONFLICT: its status does not allow the operation. KEY_HELD: its unique
 * key is held by another job. `job`: a replayed
 * job as it is then; undefined if it is gone already.
 */
export type RowOutcome =
  | { readonly outcome: "APPLIED"; readonly job?: Job | undefined }
  | { readonly outcome: "CONFLICT"; readonly status: JobStatus }
  | { readonly outcome: "KEY_HELD"; readonly by: string }
  | { readonly outcome: "NOT_FOUND" };

/** A job that expired: it is CANCELED with the error `EXPIRED`. */
export interface ExpiredJob {
  readonly jobId: string;
  readonly queue: string;
  readonly type: string;
}

/** The result of a tick. */
export interface TickResult {
  /** Jobs whose leases this tick ended. */
  readonly lost: readonly LostLease[];
  /** Jobs that this process ended since the tick before, as they had expired. */
  readonly expired: readonly ExpiredJob[];
  /**
   * Schedules whose next time has come, up to `DUE_SCHEDULES` of a queue: the caller is to fire them. One that did not move on is told
   * again after a while (`retryAfterMs`), to this process or another.
   */
  readonly schedules: readonly DueSchedule[];
  /** Ms until `tick` should be called again; undefined: nothing is scheduled. */
  readonly nextInMs: number | undefined;
}

/** Settings common to all backends. */
export interface BackendOptions {
  /** Leases a job may lose; when it loses one more, it goes to the dead-letter queue. Default 5. */
  readonly maxLostLeases: number;
  /** How long DONE and CANCELED jobs are kept, ms, unless their queue says it. Default 300,000. */
  readonly completeJobTtlMs: number;
  /** Most DONE and CANCELED jobs kept in a queue, unless it says it. Default 100,000. */
  readonly maxCompletedJobs: number;
  /**
   * Most bytes, by `jobBytes`, of the DONE and CANCELED jobs kept in all queues; the oldest go first. Default: a quarter of the heap
   * limit in memory, 256 MiB on Redis.
   */
  readonly maxCompletedBytes: number;
}

/** The defaults of `BackendOptions` that are the same in every backend. */
export const DEFAULT_BACKEND_OPTIONS: Omit<BackendOptions, "maxCompletedBytes"> = {
  maxLostLeases: 5,
  completeJobTtlMs: 300_000,
  maxCompletedJobs: 100_000,
};
