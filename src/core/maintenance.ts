import type { Logger } from "../model/log/logger.js";
import type { Backend } from "./backend.js";
import type { Clock, Timer } from "./clock.js";
import type { Observer } from "./observer.js";
import type { DueSchedule } from "./port/schedule-store.js";
import { createJobLog, type JobLog } from "./work/job-log.js";

/** Longest delay between two ticks, ms, so that a wall clock that jumps ahead is noticed within that time. */
const MAX_WAIT_MS = 30_000;

/** Delay after a tick that failed, ms. */
const RETRY_MS = 1000;

/** Calls `Backend.tick` whenever it has work to do, with a single timer. */
export class Maintenance {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #logger: Logger;
  readonly #log: JobLog;
  readonly #before: () => Promise<void>;
  readonly #fire: (due: readonly DueSchedule[]) => void;
  #timer: Timer | undefined;
  /** When the timer fires, on the monotonic clock, ms; infinity: none is set. */
  #at = Number.POSITIVE_INFINITY;
  #isRunning = false;
  /** Whether the timer fired while a tick was running. */
  #isDueAgain = false;
  #isStopped = true;

  /** `before` is called, and awaited, before each tick; `fire` with the schedules that it tells as due. */
  constructor(
    backend: Backend,
    clock: Clock,
    observer: Observer,
    logger: Logger,
    before: () => Promise<void>,
    fire: (due: readonly DueSchedule[]) => void,
  ) {
    this.#backend = backend;
    this.#clock = clock;
    this.#observer = observer;
    this.#logger = logger;
    this.#log = createJobLog(logger);
    this.#before = before;
    this.#fire = fire;
  }

  start(): void {
    this.#isStopped = false;
    this.due(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#at = Number.POSITIVE_INFINITY;
  }

  /** `tick` will have work to do `inMs` from now. */
  due(inMs: number): void {
    const at = this.#clock.monotonic() + Math.min(Math.max(inMs, 0), MAX_WAIT_MS);
    if (this.#isStopped || at >= this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    // Rounded up to whole ms, because a timer that fires early would find nothing due.
    this.#timer = this.#clock.setTimer(Math.ceil(at - this.#clock.monotonic()), () => {
      this.#at = Number.POSITIVE_INFINITY;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#isRunning) {
      this.#isDueAgain = true;
      return;
    }
    this.#isRunning = true;
    this.#isDueAgain = false;
    let nextInMs = MAX_WAIT_MS;
    try {
      await this.#before();
      const result = await this.#backend.tick();
      for (const lease of result.lost) {
        this.#observer.leaseLost(lease.queue, lease.type, lease.status);
        this.#log.lost(lease);
      }
      for (const job of result.expired) {
        this.#observer.expired(job.queue, job.type);
        this.#log.expired(job);
      }
      this.#fire(result.schedules);
      nextInMs = this.#isDueAgain ? 0 : (result.nextInMs ?? MAX_WAIT_MS);
    } catch (error) {
      this.#logger.warn({ err: error }, "maintenance failed; trying again");
      nextInMs = RETRY_MS;
    } finally {
      this.#isRunning = false;
      this.due(nextInMs);
    }
  }
}
