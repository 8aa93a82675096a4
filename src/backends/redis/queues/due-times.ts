import type { Clock } from "../../../core/clock.js";
import { type Placed, PlacedHeap } from "../../../core/stores/placed-heap.js";

/** How long a server waits for the one that swept a queue last before it sweeps the queue itself, ms. */
const PATIENCE_MS = 250;

/** When this server is to do something for a queue. In a heap while that is known. */
interface Time extends Placed {
  readonly queue: string;
  /** Ms on the monotonic clock, with the patience for the server that swept the queue last; infinity: it is not known. */
  forUs: number;
}

interface Due {
  /** When something is due, ms on the monotonic clock. */
  at: number;
  /** When to sweep: a little later than `at` where several small things can then be done at once. */
  wakeAt: number;
  /** The server that swept the queue last. */
  sweeper: string | undefined;
  /** The same times for this server. */
  readonly due: Time;
  readonly wake: Time;
}

const NEVER = Number.POSITIVE_INFINITY;

const compare = (a: Time, b: Time): number => a.forUs - b.forUs;

/**
 * When each queue is to be swept next. Every server learns it from notices. The server that swept a queue last sweeps
 * it again exactly when due; the others do so `PATIENCE_MS` later, in case that server is gone. So normally one server
 * sweeps a queue, without a lock that could be left behind. Queues of which nothing is due cost nothing, however many there are.
 */
export class DueTimes {
  readonly #clock: Clock;
  readonly #self: string;
  readonly #queues = new Map<string, Due>();
  readonly #dues = new PlacedHeap<Time>(compare);
  readonly #wakes = new PlacedHeap<Time>(compare);

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
    this.#set(queue, Math.min(due?.at ?? at, at), Math.min(due?.wakeAt ?? at, at), due?.sweeper);
    return inMs + this.#patience(due?.sweeper);
  }

  /** This server begins to sweep a queue. What `add` is told from now on may be too late for that sweep. */
  begin(queue: string): void {
    this.#set(queue, NEVER, NEVER, this.#self);
  }

  /**
   * This server has swept the queue. `inMs`: ms until its next sweep; `exactInMs`: ms until something is due, which may
   * be sooner (negative: nothing is). An earlier time that `add` was told since `begin` still counts.
   */
  end(queue: string, inMs: number, exactInMs: number): void {
    const due = this.#queues.get(queue);
    const now = this.#clock.monotonic();
    // Never after the next sweep: a sweep that left work undone asks for the next at once, whatever `exactInMs` is.
    const at = Math.min(due?.at ?? NEVER, now + (exactInMs < 0 ? inMs : Math.min(inMs, exactInMs)));
    this.#set(queue, at, Math.min(due?.wakeAt ?? NEVER, now + inMs), this.#self);
  }

  /** Another server swept a queue. Notices come in the order of the script calls, so this replaces what was known. */
  swept(queue: string, inMs: number | undefined, sweeper: string): void {
    if (sweeper === this.#self) return;
    const at = inMs === undefined ? NEVER : this.#clock.monotonic() + inMs;
    this.#set(queue, at, at, sweeper);
  }

  /** A look at the queue begins, as notices may have been missed. Who swept it last is not known better than before. */
  look(queue: string): void {
    this.#set(queue, NEVER, NEVER, this.#queues.get(queue)?.sweeper);
  }

  /** The look told when the queue is to be swept, and when something is due; see `end`. What was told since `look` still counts. */
  looked(queue: string, inMs: number, exactInMs: number): void {
    const due = this.#queues.get(queue);
    const now = this.#clock.monotonic();
    const at = Math.min(due?.at ?? NEVER, inMs < 0 ? NEVER : now + Math.min(inMs, exactInMs));
    const wakeAt = Math.min(due?.wakeAt ?? NEVER, inMs < 0 ? NEVER : now + inMs);
    this.#set(queue, at, wakeAt, due?.sweeper);
  }

  /** Forgets all queues but these. */
  keep(queues: ReadonlySet<string>): void {
    for (const queue of this.#queues.keys()) if (!queues.has(queue)) this.forget(queue);
  }

  /** Sweeps every known queue now: what is due by the store's TIME is due at other moments than was known. */
  hurry(): void {
    const at = this.#clock.monotonic();
    for (const [queue, due] of this.#queues) {
      this.#set(queue, Math.min(due.at, at), Math.min(due.wakeAt, at), due.sweeper);
    }
  }

  /** The queues to sweep now. */
  due(): string[] {
    const now = this.#clock.monotonic();
    return this.#dues.firstOnes(({ forUs }) => forUs <= now).map(({ queue }) => queue);
  }

  /** Ms until the next sweep; undefined when none is due. */
  nextInMs(): number | undefined {
    const next = this.#wakes.peek();
    return next === undefined ? undefined : Math.max(0, next.forUs - this.#clock.monotonic());
  }

  forget(queue: string): void {
    if (!this.#queues.has(queue)) return;
    this.#set(queue, NEVER, NEVER, undefined);
    this.#queues.delete(queue);
  }

  #set(queue: string, at: number, wakeAt: number, sweeper: string | undefined): void {
    let due = this.#queues.get(queue);
    if (due === undefined) {
      due = { at, wakeAt, sweeper, due: timeOf(queue), wake: timeOf(queue) };
      this.#queues.set(queue, due);
    }
    due.at = at;
    due.wakeAt = wakeAt;
    due.sweeper = sweeper;
    const patience = this.#patience(sweeper);
    place(this.#dues, due.due, at + patience);
    place(this.#wakes, due.wake, wakeAt + patience);
  }

  #patience(sweeper: string | undefined): number {
    return sweeper === undefined || sweeper === this.#self ? 0 : PATIENCE_MS;
  }
}

function timeOf(queue: string): Time {
  return { queue, forUs: NEVER, heapAt: -1 };
}

/** Gives a time its place in its heap; none when it is infinity. */
function place(heap: PlacedHeap<Time>, time: Time, forUs: number): void {
  if (time.forUs === forUs) return;
  const isIn = time.forUs !== NEVER;
  if (isIn && forUs === NEVER) heap.remove(time);
  time.forUs = forUs;
  if (forUs === NEVER) return;
  if (isIn) heap.moved(time);
  else heap.push(time);
}
