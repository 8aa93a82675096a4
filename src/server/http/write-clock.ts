/** What a client must take of what waits for it, bytes a second. Less counts as nothing. */
const SLOWEST = 20_000;

/**
 * Tells whether a client has stopped taking what is written to it. How much waits is looked at now and then. A large part counts as
 * waiting until all of it is taken, so it is given more time.
 */
export class WriteClock {
  readonly #stallMs: number;
  #waiting = 0;
  #taken = 0;
  #since: number;

  /** `stallMs`: how long nothing of what waits may be taken. */
  constructor(stallMs: number, now: number) {
    this.#stallMs = stallMs;
    this.#since = now;
  }

  /** Something was seen to be taken. */
  moved(now: number): void {
    this.#since = now;
  }

  /**
   * Looks at how many bytes wait, and how many were taken so far. Where that is not known it is 0: then fewer that wait mean that
   * some were taken.
   */
  isStalled(now: number, waiting: number, taken = 0): boolean {
    if (waiting === 0 || waiting < this.#waiting || taken !== this.#taken) this.#since = now;
    this.#waiting = waiting;
    this.#taken = taken;
    return now - this.#since >= Math.max(this.#stallMs, (waiting / SLOWEST) * 1000);
  }
}
