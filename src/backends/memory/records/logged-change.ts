import type { Change } from "../../../core/port/changes.js";
import { createdState, type JobState, type JobStatus } from "../../../model/job/job.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import type { JobLabel, JobRecord, JobTimes } from "./job-record.js";

/**
 * An entry of the change log as it is kept. There are up to two or three for each finished job, so that they take more than the jobs
 * themselves: entries of the usual kinds share what they can with the record, and take half of a `Change` or less.
 */
export type LoggedChange = Change | Entry;

/** What every entry has of a job: parts of its record. */
abstract class Entry {
  readonly #number: string;
  readonly #label: JobLabel;
  protected readonly times: JobTimes;

  constructor(number: string, label: JobLabel, times: JobTimes) {
    this.#number = number;
    this.#label = label;
    this.times = times;
  }

  /** The change that it stands for. */
  abstract toChange(): Change;

  /** The change, with the state that it left behind. */
  protected with(state: JobState): Change {
    const { queue, type, priority } = this.#label;
    return { jobId: jobIdOf(queue, this.#number), queue, type, priority, deleted: false, ...state };
  }
}

/** A creation: a large backlog fills the log with these. */
export class Creation extends Entry {
  toChange(): Change {
    return this.with(createdState(this.times.createdAt, this.times.runAfter));
  }
}

/** The state after a hand-out or an end of a job without errors, progress or retries. */
function plainState(
  state: Pick<JobState, "status" | "revision" | "deliveries" | "worker" | "updatedAt" | "runAfter">,
  startedAt: number | undefined,
  finishedAt: number | undefined,
): JobState {
  const { status, revision, deliveries, worker, updatedAt, runAfter } = state;
  return {
    status,
    revision,
    retryCount: 0,
    deliveries,
    lostLeases: 0,
    error: "",
    progress: undefined,
    cancelRequested: false,
    worker,
    updatedAt,
    runAfter,
    startedAt,
    finishedAt,
  };
}

/** The first hand-out of a job, as most are. Times count from its creation: they are small numbers then. */
class FirstRun extends Entry {
  readonly #worker: string;
  readonly #started: number;

  constructor(change: Change, { number, shared, times }: JobRecord) {
    super(number, shared.label, times);
    this.#worker = change.worker;
    this.#started = change.updatedAt - times.createdAt;
  }

  toChange(): Change {
    const { createdAt, runAfter } = this.times;
    const updatedAt = createdAt + this.#started;
    const worker = this.#worker;
    const state = { status: "RUNNING", revision: 2, deliveries: 1, worker, updatedAt, runAfter } as const;
    return this.with(plainState(state, updatedAt, undefined));
  }
}

/** The end of a job that its first attempt completed. */
class FirstEnd extends Entry {
  readonly #worker: string;
  readonly #started: number;
  readonly #finished: number;

  constructor(change: Change, startedAt: number, { number, shared, times }: JobRecord) {
    super(number, shared.label, times);
    this.#worker = change.worker;
    this.#started = startedAt - times.createdAt;
    this.#finished = change.updatedAt - times.createdAt;
  }

  toChange(): Change {
    const { createdAt, runAfter } = this.times;
    const updatedAt = createdAt + this.#finished;
    const worker = this.#worker;
    const state = { status: "DONE", revision: 3, deliveries: 1, worker, updatedAt, runAfter } as const;
    return this.with(plainState(state, createdAt + this.#started, updatedAt));
  }
}

/** Stands for a time that there is not. No time of a job is before its creation. */
const NEVER = -1;

/** Another hand-out or end of a job without errors, progress or retries. */
class Step extends Entry {
  readonly #status: JobStatus;
  readonly #worker: string;
  readonly #revision: number;
  readonly #deliveries: number;
  readonly #updated: number;
  readonly #started: number;
  readonly #finished: number;

  constructor(change: Change, { number, shared, times }: JobRecord) {
    super(number, shared.label, times);
    const { createdAt } = times;
    this.#status = change.status;
    this.#worker = change.worker;
    this.#revision = change.revision;
    this.#deliveries = change.deliveries;
    this.#updated = change.updatedAt - createdAt;
    this.#started = change.startedAt === undefined ? NEVER : change.startedAt - createdAt;
    this.#finished = change.finishedAt === undefined ? NEVER : change.finishedAt - createdAt;
  }

  toChange(): Change {
    const { createdAt, runAfter } = this.times;
    const [status, revision, deliveries, worker] = [this.#status, this.#revision, this.#deliveries, this.#worker];
    const state = { status, revision, deliveries, worker, updatedAt: createdAt + this.#updated, runAfter };
    const timeOf = (passed: number) => (passed === NEVER ? undefined : createdAt + passed);
    return this.with(plainState(state, timeOf(this.#started), timeOf(this.#finished)));
  }
}

/** The entry for a change that was just made from this record. */
export function keepChange(change: Change, record: JobRecord): LoggedChange {
  if (change.revision === 1) return new Creation(record.number, record.shared.label, record.times);
  const isUsual =
    change.error === "" &&
    change.progress === undefined &&
    change.retryCount === 0 &&
    change.lostLeases === 0 &&
    !change.cancelRequested &&
    !change.deleted;
  if (!isUsual) return change;
  const { status, revision, updatedAt, startedAt, finishedAt } = change;
  if (change.deliveries === 1) {
    const hasBegun = status === "RUNNING" && revision === 2 && startedAt === updatedAt && finishedAt === undefined;
    if (hasBegun) return new FirstRun(change, record);
    const hasEnded = status === "DONE" && revision === 3 && finishedAt === updatedAt;
    if (hasEnded && startedAt !== undefined) return new FirstEnd(change, startedAt, record);
  }
  return new Step(change, record);
}

/** The change that an entry stands for. */
export function readChange(entry: LoggedChange): Change {
  return entry instanceof Entry ? entry.toChange() : entry;
}
