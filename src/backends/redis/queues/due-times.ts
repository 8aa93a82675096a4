import type { Clock } from "../../../core/clock.js";

/** How long a server waits for the one that swept a queue last, before it does it itself, ms. */
const PATIENCE_MS = 250;

interface Due {
  /** When something is due, on the monotonic clock. */
  at: number;
  /** When to come for it: a little later, where many small things are done at once. */
  wakeAt: number;
  sweeper: string | undefined;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * When each queue is to be swept next. Every server knows it, from notices; the one that swept a queue last does it again
 * to the ms, and the others a moment later, should that one be gone. So one server at a time sweeps, and no lock can be
 * left behind.
 */
export class DueTimes {
  readonly #clock: Clock;
  readonly #self: string;
  readonly #queues = new Map<string, Due>();

  constructor(clock: Clock, self: string) {
    this.#clock = clock;
    this.#self = self;
  }

  /** Something is due in so many ms. Answers in how many this server is to look after it. */
  add(queue: string, inMs: number): number {
    const due = this.#queues.get(queue);
    const at = this.#clock.monotonic() + inMs;
    this.#queues.set(queue, {
      at: Math.min(due?.at ?? at, at),
      wakeAt: Math.min(due?.wakeAt ?? at, at),
      sweeper: due?.sweeper,
    });
    return inMs + this.#patience(due?.sweeper);
  }

  /** This server begins to sweep a queue: what it hears from now on may be news to that sweep. */
  begin(queue: string): void {
    this.#queues.set(queue, { at: NEVER, wakeAt: NEVER, sweeper: this.#self });
  }

  /**
   * It has swept the queue, and is to come again in so many ms, though something may be due earlier; unless something
   * was heard since it began.
   */
  end(queue: string, inMs: number, exactInMs: number): void {
    const due = this.#queues.get(queue);
    const now = this.#clock.monotonic();
    this.#queues.set(queue, {
      // Never later than it is to come: after a full part of work nothing more may be due to the ms.
      at: Math.min(due?.at ?? NEVER, now + (exactInMs < 0 ? inMs : Math.min(inMs, exactInMs))),
      wakeAt: Math.min(due?.wakeAt ?? NEVER, now + inMs),
      sweeper: this.#self,
    });
  }

  /** Another server swept a queue, and says so in the order in which things happened. */
  swept(queue: string, inMs: number | undefined, sweeper: string): void {
    if (sweeper === this.#self) return;
    const at = inMs === undefined ? NEVER : this.#clock.monotonic() + inMs;
    this.#queues.set(queue, { at, wakeAt: at, sweeper });
  }

  /** Nothing is known of these queues: each is to be swept now. */
  reset(queues: readonly string[]): void {
    const at = this.#clock.monotonic();
    this.#queues.clear();
    for (const queue of queues) this.#queues.set(queue, { at, wakeAt: at, sweeper: undefined });
  }

  /** The queues to sweep now. */
  due(): string[] {
    const now = this.#clock.monotonic();
    return [...this.#queues].filter(([, due]) => due.at + this.#patience(due.sweeper) <= now).map(([queue]) => queue);
  }

  /** In how many ms the next one is due; undefined: none. */
  nextInMs(): number | undefined {
    let next = NEVER;
    for (const { wakeAt, sweeper } of this.#queues.values()) next = Math.min(next, wakeAt + this.#patience(sweeper));
    return next === NEVER ? undefined : Math.max(0, next - this.#clock.monotonic());
  }

  forget(queue: string): void {
    this.#queues.delete(queue);
  }

  #patience(sweeper: string | undefined): number {
    return sweeper === undefined || sweeper === this.#self ? 0 : PATIENCE_MS;
  }
}
