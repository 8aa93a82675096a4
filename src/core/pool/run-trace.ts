import type { Clock } from "../clock.js";
import type { RecentRuns, RunJob } from "../handler-runner.js";

/** Most jobs that are told: a power of two. */
const MAX_JOBS = 16;

/**
 * Which handlers ran in this process lately, for whoever finds that the event loop was blocked. It costs two readings of the clock a
 * run, and no timers.
 */
export class RunTrace {
  readonly #clock: Clock;
  readonly #running = new Set<RunJob>();
  /** The last runs that ended, overwritten in turn. */
  readonly #ended: (RunJob | undefined)[] = [];
  #endedCount = 0;
  #longest: RunJob | undefined;
  #longestMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Call before a handler is called. Returns the time, for `returned`. */
  called(job: RunJob): number {
    this.#running.add(job);
    return this.#clock.monotonic();
  }

  /** Call when the call of a handler has returned: what it waits for is yet to come. */
  returned(job: RunJob, calledAt: number): void {
    const ms = this.#clock.monotonic() - calledAt;
    if (ms <= this.#longestMs) return;
    this.#longestMs = ms;
    this.#longest = job;
  }

  /** Call when a run has ended. */
  ended(job: RunJob): void {
    this.#running.delete(job);
    this.#ended[this.#endedCount++ & (MAX_JOBS - 1)] = job;
  }

  /** What has run since the last call. */
  take(): RecentRuns {
    const longest = this.#longest && { job: this.#longest, ms: this.#longestMs };
    const ended = this.#ended.filter((job) => job !== undefined);
    const jobs = [...ended, ...this.#running].slice(0, MAX_JOBS);
    // Nothing is held on to, as payloads may be large.
    this.#ended.length = 0;
    this.#endedCount = 0;
    this.#longest = undefined;
    this.#longestMs = 0;
    return { longest, jobs };
  }
}
