import type { SettleKind } from "../../../core/observer.js";
import type { AttemptError, Payload, Progress } from "../../../model/job/job.js";
import type { ShortToken } from "../lease-tokens.js";

/** The attempt errors of a job that has none. */
export const NO_ERRORS: readonly AttemptError[] = [];

/** Stands for a time that there is not. No time of a job is before its creation. */
export const NEVER = -1;

/**
 * The same number, without room of its own when it is whole and below 2^31: the difference of two large numbers is otherwise kept apart
 * from the object that has it, in 16 bytes.
 */
export function small(value: number): number {
  const whole = value | 0;
  return whole === value ? whole : value;
}

/** A lease that a job has, as the store keeps it among all. Times are ms on the monotonic clock. */
export interface HeldLease<Owner> {
  readonly record: Owner;
  readonly token: string;
  /** The same, for `RunRecord.settledToken`. */
  readonly short: ShortToken;
  /** When the attempt began. */
  readonly since: number;
  /** When it ends. */
  until: number;
  /** Its place among the leases: an `until` that it had. It is put back with its end when that one comes. */
  place: number;
  /** How long it was to last, ms; the longest it was extended by, if that is more. */
  leaseMs: number;
  /** See `LeaseRequest.isBuiltIn`. */
  readonly isBuiltIn: boolean;
}

/** What few jobs have after their changes, and what it is for the others. */
export class RareRun {
  retryCount = 0;
  lostLeases = 0;
  error = "";
  /** The start of `error`, for the change log: one string shared by all of its entries. */
  errorStart = "";
  attemptErrors = NO_ERRORS;
  resultDropped = false;
  progress: Progress | undefined;
  cancelRequested = false;
  /** Fields of a newer version that a journal kept: they are written as they were. */
  others: Readonly<Record<string, unknown>> | undefined;
}

/** What a job has that has none of it. */
export const NOTHING_RARE: Readonly<RareRun> = new RareRun();

/**
 * The fields a job needs only after its first change; kept apart so that jobs that never ran stay small. Finished jobs are most of
 * what a store keeps: what only a running job needs is in its lease, and what few need is kept apart too.
 */
export class RunRecord<Owner = unknown> {
  /** Undefined when there is none. */
  lease: HeldLease<Owner> | undefined;
  /** The token that settled the job last, and how: a repeat of that write is then ALREADY_APPLIED. */
  settledToken: ShortToken | undefined;
  settledBy: SettleKind | undefined;
  /** Since when a DONE or CANCELED job is kept: whole ms on the monotonic clock, rounded up to be `small`. */
  keptSince = 0;
  /** What the job counts as by `jobBytes` among the finished ones. */
  finishedBytes = 0;
  revision = 1;
  deliveries = 0;
  /** Times of the job, as ms since its creation: `small` again; see `JobRecord.passed`. */
  updated = 0;
  started = NEVER;
  finished = NEVER;
  worker = "";
  result: Payload | undefined;
  /** What few jobs have; that of all others is one. */
  rare: Readonly<RareRun> = NOTHING_RARE;

  get retryCount(): number {
    return this.rare.retryCount;
  }

  set retryCount(count: number) {
    if (count !== this.retryCount) ownRare(this).retryCount = count;
  }

  get lostLeases(): number {
    return this.rare.lostLeases;
  }

  set lostLeases(count: number) {
    if (count !== this.lostLeases) ownRare(this).lostLeases = count;
  }

  get error(): string {
    return this.rare.error;
  }

  set error(error: string) {
    if (error !== this.error) ownRare(this).error = error;
  }

  get errorStart(): string {
    return this.rare.errorStart;
  }

  set errorStart(start: string) {
    if (start !== this.errorStart) ownRare(this).errorStart = start;
  }

  get attemptErrors(): readonly AttemptError[] {
    return this.rare.attemptErrors;
  }

  set attemptErrors(errors: readonly AttemptError[]) {
    if (errors !== this.attemptErrors) ownRare(this).attemptErrors = errors;
  }

  get resultDropped(): boolean {
    return this.rare.resultDropped;
  }

  set resultDropped(isDropped: boolean) {
    if (isDropped !== this.resultDropped) ownRare(this).resultDropped = isDropped;
  }

  get progress(): Progress | undefined {
    return this.rare.progress;
  }

  set progress(progress: Progress | undefined) {
    if (progress !== this.progress) ownRare(this).progress = progress;
  }

  get cancelRequested(): boolean {
    return this.rare.cancelRequested;
  }

  set cancelRequested(isRequested: boolean) {
    if (isRequested !== this.cancelRequested) ownRare(this).cancelRequested = isRequested;
  }

  /** Keeps fields of a newer version, to be written as they are. */
  keepOthers(others: Readonly<Record<string, unknown>>): void {
    ownRare(this).others = others;
  }
}

/** What few jobs have, to be changed. Not a private method, which would take room in each record. */
function ownRare(run: RunRecord): RareRun {
  if (run.rare === NOTHING_RARE) run.rare = new RareRun();
  return run.rare;
}
