import type { Clock } from "../../../core/clock.js";

/** How long a server waits for the one that swept a queue last before it sweeps the queue itself, ms. */
const PATIENCE_MS = 250;

interface Due {
  /** When something is due, ms on the monotonic clock. */
  at: number;
  /** When to sweep: a little later than `at` where several small things can then be done at once. */
  wakeAt: number;
  /** The server that swept the queue last. */
  sweeper: string | undefined;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * When each queue is to be swept next. Every server learns it from notices. The server that swept a queue last sweeps
 * it again exactly when due; the others do so `PATIENCE_MS` later, in case that server is gone. So normally one server
 * sweeps a queue, without a lock that could be left behind.
 */
export class DueTimes {
  readonly #clock: Clock;
  readonly #self: string;
  readonly #queues = new Map<string, Due>();

  constructor(clock: Clock, self: string) {
    this.#clock = clock;
    this.#self = self;
  }

  /** Whether this server is the one with this name. */
  isSelf(name: string | undefined): boolean {
    return name === this.#self;
  }

  /** Something is due in `inMs`. Returns ms until this server is to sweep for it. */
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

  /** This server begins to sweep a queue. What `add` is told from now on may be too late for that sweep. */
  begin(queue: string): void {
    this.#queues.set(queue, { at: NEVER, wakeAt: NEVER, sweeper: this.#self });
  }

  /**
   * This server has swept the queue. `inMs`: ms until its next sweep; `exactInMs`: ms until something is due, which may
   * be sooner (negative: nothing is). An earlier time that `add` was told since `begin` still counts.
   */
  end(queue: string, inMs: number, exactInMs: number): void {
    const due = this.#queues.get(queue);
    const now = this.#clock.monotonic();
    this.#queues.set(queue, {
      // Never after the next sweep: a sweep that left work undone asks for the next at once, whatever `exactInMs` is.
      at: Math.min(due?.at ?? NEVER, now + (exactInMs < 0 ? inMs : Math.min(inMs, exactInMs))),
      wakeAt: Math.min(due?.wakeAt ?? NEVER, now + inMs),
      sweeper: this.#self,
    });
  }

  /** Another server swept a queue. Notices come in the order of the script calls, so this replaces what was known. */
  swept(queue: string, inMs: number | undefined, sweeper: string): void {
    if (sweeper === this.#self) return;
    const at = inMs === undefined ? NEVER : this.#clock.monotonic() + inMs;
    this.#queues.set(queue, { at, wakeAt: at, sweeper });
  }

  /** A look at the queue begins, as notices may have been missed. Who swept it last is not known better than before. */
  look(queue: string): void {
    this.#queues.set(queue, { at: NEVER, wakeAt: NEVER, sweeper: this.#queues.get(queue)?.sweeper });
  }

  /** The look told when the queue is to be swept, and when something is due; see `end`. What was told since `look` still counts. */
  looked(queue: string, inMs: number, exactInMs: number): void {
    const due = this.#queues.get(queue);
    const now = this.#clock.monotonic();
    this.#queues.set(queue, {
      at: Math.min(due?.at ?? NEVER, inMs < 0 ? NEVER : now + Math.min(inMs, exactInMs)),
      wakeAt: Math.min(due?.wakeAt ?? NEVER, inMs < 0 ? NEVER : now + inMs),
      sweeper: due?.sweeper,
    });
  }

  /** Forgets all queues but these. */
  keep(queues: ReadonlySet<string>): void {
    for (const queue of this.#queues.keys()) if (!queues.has(queue)) this.#queues.delete(queue);
  }

  /** Sweeps every known queue now: what is due by the store's TIME is due at other moments than was known. */
  hurry(): void {
    const at = this.#clock.monotonic();
    for (const due of this.#queues.values()) {
      due.at = Math.min(due.at, at);
      due.wakeAt = Math.min(due.wakeAt, at);
    }
  }

  /** The queues to sweep now. */
  due(): string[] {
    const now = this.#clock.monotonic();
    return [...this.#queues].filter(([, due]) => due.at + this.#patience(due.sweeper) <= now).map(([queue]) => queue);
  }

  /** Ms until the next sweep; undefined when none is due. */
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
