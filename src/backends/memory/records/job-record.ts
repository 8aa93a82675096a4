import type { AttemptError, Backoff, JobStatus, Payload } from "../../../model/job/job.js";
import type { Unique } from "../../../model/job/unique.js";
import type { TraceContext } from "../../../model/log/trace-context.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import type { Expiry } from "../indexes/expiries.js";
import type { Claim } from "../indexes/unique-keys.js";
import { NEVER, NO_ERRORS, RunRecord, small } from "./run-record.js";

/** The part of a job's spec that the change log keeps: small, because the log may outlive the job. */
export interface JobLabel {
  readonly queue: string;
  readonly type: string;
  readonly priority: number;
}

/** The part of a spec that is the same for many jobs: equal jobs of one queue and type share one object. */
export interface SharedJobSpec<Queue = unknown> {
  readonly label: JobLabel;
  readonly queue: Queue;
  readonly maxRetries: number;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** When a job was created and when it may run, ms since 1970; shared by jobs created at the same moment. */
export interface JobTimes {
  readonly createdAt: number;
  readonly runAfter: number;
}

/**
 * Which line of its queue holds a job while it is PENDING, a stale value otherwise; `GONE` once it is deleted, or another record
 * stands for it (`JobStore.replace`).
 */
export type JobPlace = "NONE" | "READY" | WaitingPlace | "GONE";

/** Where a job waits before it is due. SCHEDULED: until a time, WAITING: for a time, RETRYING: for the time of a backoff. */
export type WaitingPlace = "SCHEDULED" | "WAITING" | "RETRYING";

/** Whether a job in this place waits for its time. */
export function isWaitingPlace(place: JobPlace | undefined): place is WaitingPlace {
  return place === "SCHEDULED" || place === "WAITING" || place === "RETRYING";
}

/** A job in memory. One million of them must fit: run `npm run bench -- memory` after adding a field. */
export class JobRecord<Queue = unknown> {
  status: JobStatus = "PENDING";
  place: JobPlace = "NONE";
  /** Undefined before the first change. */
  run: RunRecord<JobRecord<Queue>> | undefined;

  constructor(
    /** The number in its id. */
    readonly number: string,
    public shared: SharedJobSpec<Queue>,
    public payload: Payload | undefined,
    readonly requestId: string | undefined,
    public times: JobTimes,
  ) {}

  get id(): string {
    return jobIdOf(this.shared.label.queue, this.number);
  }

  get queue(): Queue {
    return this.shared.queue;
  }

  get type(): string {
    return this.shared.label.type;
  }

  get priority(): number {
    return this.shared.label.priority;
  }

  get revision(): number {
    return this.run?.revision ?? 1;
  }

  get createdAt(): number {
    return this.times.createdAt;
  }

  get runAfter(): number {
    return this.times.runAfter;
  }

  set runAfter(runAfter: number) {
    this.times = { createdAt: this.times.createdAt, runAfter };
  }

  /** `now`, or the job's last stamp where the wall clock has stepped back behind that: its stamps never fall. */
  stamp(now: number): number {
    return Math.max(now, this.updatedAt);
  }

  /** A moment as its `run` has it. */
  passed(at: number): number {
    return small(at - this.createdAt);
  }

  get updatedAt(): number {
    return this.createdAt + (this.run?.updated ?? 0);
  }

  get startedAt(): number | undefined {
    return momentOf(this.createdAt, this.run?.started);
  }

  get finishedAt(): number | undefined {
    return momentOf(this.createdAt, this.run?.finished);
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.shared.metadata;
  }

  /** The fields that most jobs do not have; undefined when this one does not either. */
  get rare(): RareFields | undefined {
    return undefined;
  }

  get traceContext(): TraceContext | undefined {
    return this.rare?.traceContext;
  }

  /** Whose it is; undefined: it has none. */
  get key(): string | undefined {
    return this.rare?.key;
  }

  /** When it expires unless it has begun, ms since 1970; undefined: never. */
  get expiresAt(): number | undefined {
    return this.rare?.expiresAt;
  }

  /** Whether that is measured from its creation, whatever the wall clock does. */
  get hasTtl(): boolean {
    return this.rare?.hasTtl === true;
  }

  /** Its entry among those that expire; undefined when there never was one. */
  get expiry(): Expiry<JobRecord<Queue>> | undefined {
    return undefined;
  }

  /** The schedule that created it, and the time of that, ms since 1970; undefined: none did. */
  get schedule(): string | undefined {
    return this.rare?.schedule;
  }

  get scheduledFor(): number | undefined {
    return this.rare?.scheduledFor;
  }

  /** What it is the only one of; undefined: it was created without a unique key. */
  get unique(): Unique | undefined {
    return this.rare?.unique;
  }

  /** What it has, or last had, of its unique key; undefined when it has none. */
  get claim(): Claim<JobRecord<Queue>> | undefined {
    return undefined;
  }

  get error(): string {
    return this.run?.error ?? "";
  }

  get attemptErrors(): readonly AttemptError[] {
    return this.run?.attemptErrors ?? NO_ERRORS;
  }

  get result(): Payload | undefined {
    return this.run?.result;
  }

  get worker(): string {
    return this.run?.worker ?? "";
  }

  get cancelRequested(): boolean {
    return this.run?.cancelRequested ?? false;
  }

  get isGone(): boolean {
    return this.place === "GONE";
  }

  /** Lets go of what is large in a job that was deleted: indexes hold its record until they are swept. */
  release(): void {
    this.payload = undefined;
    for (const _ in this.shared.metadata) {
      this.shared = { ...this.shared, metadata: {} };
      break;
    }
    if (this.run === undefined) return;
    this.run.result = undefined;
    this.run.error = "";
    this.run.attemptErrors = NO_ERRORS;
  }

  /** The `RunRecord`, created on first use. */
  get changing(): RunRecord<JobRecord<Queue>> {
    this.run ??= new RunRecord();
    return this.run;
  }
}

/** The moment of a time of a `run`. A private method would take room in each record. */
function momentOf(createdAt: number, passed = NEVER): number | undefined {
  return passed === NEVER ? undefined : createdAt + passed;
}

/** What most jobs do not have. */
export interface RareFields {
  readonly traceContext?: TraceContext | undefined;
  readonly expiresAt?: number | undefined;
  readonly hasTtl?: boolean | undefined;
  readonly schedule?: string | undefined;
  readonly scheduledFor?: number | undefined;
  readonly key?: string | undefined;
  readonly unique?: Unique | undefined;
}

/** A job with some of the fields that most do not have. A class of its own, so that the others do not take the room for them. */
export class RareJobRecord<Queue = unknown> extends JobRecord<Queue> {
  #rare: RareFields;
  #expiry: Expiry<JobRecord<Queue>> | undefined;
  #claim: Claim<JobRecord<Queue>> | undefined;

  constructor(rare: RareFields, ...job: ConstructorParameters<typeof JobRecord<Queue>>) {
    super(...job);
    this.#rare = rare;
  }

  override get rare(): RareFields {
    return this.#rare;
  }

  override get expiry(): Expiry<JobRecord<Queue>> | undefined {
    return this.#expiry;
  }

  override set expiry(expiry: Expiry<JobRecord<Queue>>) {
    this.#expiry = expiry;
  }

  override get claim(): Claim<JobRecord<Queue>> | undefined {
    return this.#claim;
  }

  override set claim(claim: Claim<JobRecord<Queue>>) {
    this.#claim = claim;
  }

  override release(): void {
    super.release();
    this.#rare = {};
  }
}

/** Whether a job stands in a line or waits for its time. */
export function isWaiting({ status, isGone }: JobRecord): boolean {
  return status === "PENDING" && !isGone;
}

/** Makes the record of a job, whether it has any of the rare fields or not. */
export function newRecord<Queue>(
  rare: RareFields | undefined,
  ...job: ConstructorParameters<typeof JobRecord<Queue>>
): JobRecord<Queue> {
  return rare === undefined ? new JobRecord(...job) : new RareJobRecord(rare, ...job);
}
