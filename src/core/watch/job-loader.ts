import type { Job } from "../../model/job/job.js";
import { queueOf } from "../../model/queue/ids.js";
import type { Backend } from "../backend.js";

/** Most jobs read in one call. */
const BATCH = 1000;

/** Most calls at the same time: after a break, the jobs of all watchers want to be read, of any number of queues. */
const MAX_CALLS = 64;

/** What wants to read a job. */
export interface JobReader {
  readonly id: string;
  /** Called with the job, or undefined if it does not exist. */
  read(job: Job | undefined): void;
  /** Called if the job could not be read. */
  failed(error: unknown): void;
}

/** Reads jobs in few backend calls: requests made in the same turn share a call for each queue. */
export class JobLoader {
  readonly #backend: Backend;
  /** Pending requests, by the queue of the job. */
  #waiting = new Map<string, JobReader[]>();
  /** Calls that wait for others to end. */
  readonly #calls: (readonly JobReader[])[] = [];
  #running = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Requests a job. It is read in a microtask, once the code that runs now has returned. */
  add(reader: JobReader): void {
    const queue = queueOf(reader.id);
    if (this.#waiting.size === 0) queueMicrotask(() => this.#flush());
    const readers = this.#waiting.get(queue);
    if (readers === undefined) this.#waiting.set(queue, [reader]);
    else readers.push(reader);
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const readers of waiting.values()) {
      for (let at = 0; at < readers.length; at += BATCH) {
        this.#calls.push(readers.length > BATCH ? readers.slice(at, at + BATCH) : readers);
      }
    }
    while (this.#running < MAX_CALLS && this.#calls.length > 0) void this.#work();
  }

  async #work(): Promise<void> {
    this.#running++;
    for (let call = this.#calls.shift(); call !== undefined; call = this.#calls.shift()) await this.#read(call);
    this.#running--;
  }

  async #read(readers: readonly JobReader[]): Promise<void> {
    let jobs: readonly (Job | undefined)[];
    try {
      const ids = readers.map(({ id }) => id);
      jobs = await this.#backend.get(ids);
    } catch (error) {
      for (const reader of readers) reader.failed(error);
      return;
    }
    readers.forEach((reader, index) => {
      reader.read(jobs[index]);
    });
  }
}
