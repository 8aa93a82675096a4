import type { Change } from "../../../core/port/changes.js";
import { JOB_STATUSES, type JobStatus } from "../../../model/job/job.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import type { JobLabel, JobTimes } from "./job-record.js";
import { NEVER } from "./run-record.js";

/** What an entry of the change log shares with the record of its job. */
export interface LoggedJob {
  /** The number in the job's id. */
  readonly number: string;
  readonly label: JobLabel;
  readonly times: JobTimes;
}

/** Entries that a `LoggedChanges` has room for. */
export const ENTRIES = 1024;

/** From these on, a count or the time since a creation does not fit in a column. */
const MANY = 2 ** 16;
const LONG = 2 ** 31;

/**
 * Entries of the change log, as they are kept. There are up to two or three for each finished job, which would take more than the jobs
 * themselves: those without errors, progress or retries are not objects, but lines of a table, and share with the record of their
 * job what they can.
 */
export class LoggedChanges {
  /** The place of each status among all. */
  readonly #statuses = new Uint8Array(ENTRIES);
  /** The numbers of the jobs, or the whole entries. */
  readonly #numbers = new Array<string | Change>(ENTRIES);
  readonly #labels = new Array<JobLabel>(ENTRIES);
  readonly #times = new Array<JobTimes>(ENTRIES);
  readonly #workers = new Array<string>(ENTRIES);
  readonly #revisions = new Uint16Array(ENTRIES);
  readonly #deliveries = new Uint16Array(ENTRIES);
  /** Ms since the creation, or `NEVER`. */
  readonly #updated = new Int32Array(ENTRIES);
  readonly #started = new Int32Array(ENTRIES);
  readonly #finished = new Int32Array(ENTRIES);

  /** Keeps a change of a job at a place, 0 to `ENTRIES` - 1, instead of what was there. */
  keep(at: number, change: Change, { number, label, times }: LoggedJob): void {
    const { createdAt } = times;
    const { revision, deliveries, updatedAt, startedAt = createdAt + NEVER, finishedAt = createdAt + NEVER } = change;
    const fits = revision < MANY && deliveries < MANY && Math.max(updatedAt, startedAt, finishedAt) - createdAt < LONG;
    if (!fits || !isPlain(change)) {
      this.#numbers[at] = change;
      return;
    }
    this.#statuses[at] = JOB_STATUSES.indexOf(change.status);
    this.#numbers[at] = number;
    this.#labels[at] = label;
    this.#times[at] = times;
    this.#workers[at] = change.worker;
    this.#revisions[at] = revision;
    this.#deliveries[at] = deliveries;
    this.#updated[at] = updatedAt - createdAt;
    this.#started[at] = startedAt - createdAt;
    this.#finished[at] = finishedAt - createdAt;
  }

  /** The change at a place where one was kept. */
  read(at: number): Change {
    const number = this.#numbers[at] as string | Change;
    if (typeof number === "object") return number;
    const { queue, type, priority } = this.#labels[at] as JobLabel;
    const { createdAt, runAfter } = this.#times[at] as JobTimes;
    const timeOf = (passed: number | undefined) => (passed === NEVER ? undefined : createdAt + (passed as number));
    return {
      jobId: jobIdOf(queue, number),
      queue,
      type,
      priority,
      deleted: false,
      status: JOB_STATUSES[this.#statuses[at] as number] as JobStatus,
      revision: this.#revisions[at] as number,
      retryCount: 0,
      deliveries: this.#deliveries[at] as number,
      lostLeases: 0,
      error: "",
      progress: undefined,
      cancelRequested: false,
      worker: this.#workers[at] as string,
      updatedAt: createdAt + (this.#updated[at] as number),
      runAfter,
      startedAt: timeOf(this.#started[at]),
      finishedAt: timeOf(this.#finished[at]),
    };
  }
}

/** Whether a change has no errors, progress or retries. */
function isPlain({ error, progress, retryCount, lostLeases, cancelRequested, deleted }: Change): boolean {
  const isUneventful = error === "" && progress === undefined && retryCount === 0 && lostLeases === 0;
  return isUneventful && !cancelRequested && !deleted;
}
