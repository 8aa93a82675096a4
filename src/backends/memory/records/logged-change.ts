import type { Change } from "../../../core/port/changes.js";
import { jobIdOf } from "../../../model/ids.js";
import { createdState, type JobStatus } from "../../../model/job.js";
import type { JobLabel, JobRecord, JobTimes } from "./job-record.js";

/**
 * An entry of the change log as it is kept. There are up to two or three for each finished job, so that they take more than the jobs
 * themselves: entries of the usual kinds share what they can with the record, and take half of a `Change` or less.
 */
export type LoggedChange = Change | Creation | Step;

/** A creation: a large backlog fills the log with these. */
export class Creation {
  readonly #number: string;
  readonly #label: JobLabel;
  readonly #times: JobTimes;

  constructor(number: string, label: JobLabel, times: JobTimes) {
    this.#number = number;
    this.#label = label;
    this.#times = times;
  }

  toChange(): Change {
    return {
      jobId: jobIdOf(this.#label.queue, this.#number),
      queue: this.#label.queue,
      type: this.#label.type,
      priority: this.#label.priority,
      deleted: false,
      ...createdState(this.#times.createdAt, this.#times.runAfter),
    };
  }
}

/** Stands for a time that there is not. No time of a job is before its creation. */
const NEVER = -1;

/** A hand-out or an end of a job without errors, progress or retries. Times count from its creation: they are small numbers then. */
class Step {
  readonly #number: string;
  readonly #label: JobLabel;
  readonly #times: JobTimes;
  readonly #status: JobStatus;
  readonly #worker: string;
  readonly #revision: number;
  readonly #deliveries: number;
  readonly #updated: number;
  readonly #started: number;
  readonly #finished: number;

  constructor(change: Change, { number, shared, times }: JobRecord) {
    const { createdAt } = times;
    this.#number = number;
    this.#label = shared.label;
    this.#times = times;
    this.#status = change.status;
    this.#worker = change.worker;
    this.#revision = change.revision;
    this.#deliveries = change.deliveries;
    this.#updated = change.updatedAt - createdAt;
    this.#started = change.startedAt === undefined ? NEVER : change.startedAt - createdAt;
    this.#finished = change.finishedAt === undefined ? NEVER : change.finishedAt - createdAt;
  }

  toChange(): Change {
    const { createdAt, runAfter } = this.#times;
    return {
      jobId: jobIdOf(this.#label.queue, this.#number),
      queue: this.#label.queue,
      type: this.#label.type,
      priority: this.#label.priority,
      deleted: false,
      status: this.#status,
      revision: this.#revision,
      retryCount: 0,
      deliveries: this.#deliveries,
      lostLeases: 0,
      error: "",
      progress: undefined,
      cancelRequested: false,
      worker: this.#worker,
      updatedAt: createdAt + this.#updated,
      runAfter,
      startedAt: this.#started === NEVER ? undefined : createdAt + this.#started,
      finishedAt: this.#finished === NEVER ? undefined : createdAt + this.#finished,
    };
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
  return isUsual ? new Step(change, record) : change;
}

/** The change that an entry stands for. */
export function readChange(entry: LoggedChange): Change {
  return entry instanceof Step || entry instanceof Creation ? entry.toChange() : entry;
}
