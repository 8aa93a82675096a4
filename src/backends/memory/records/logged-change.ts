import type { Change } from "../../../core/port/changes.js";
import { jobIdOf } from "../../../model/ids.js";
import { createdState, type JobState, type JobStatus } from "../../../model/job.js";
import type { JobLabel, JobRecord, JobTimes } from "./job-record.js";

/**
 * An entry of the change log as it is kept. There are up to two or three for each finished job, so that they take more than the jobs
 * themselves: entries of the usual kinds share what they can with the record, and take half of a `Change` or less.
 */
export type LoggedChange = Change | Creation | Step;

/** What every entry has of a job: parts of its record. */
class Entry {
  readonly #number: string;
  readonly #label: JobLabel;
  protected readonly times: JobTimes;

  constructor(number: string, label: JobLabel, times: JobTimes) {
    this.#number = number;
    this.#label = label;
    this.times = times;
  }

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

/** Stands for a time that there is not. No time of a job is before its creation. */
const NEVER = -1;

/** A hand-out or an end of a job without errors, progress or retries. Times count from its creation: they are small numbers then. */
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
    return this.with({
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
    });
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
