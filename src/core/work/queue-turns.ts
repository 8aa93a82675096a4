/**
 * How a server shares its slots between queues. Only queues that may have jobs take part; each is charged for the jobs
 * it gave, so one with few jobs, or at its max_concurrency, changes nothing for its neighbours.
 *
 * - round-robin: all queues alike.
 * - weighted: queues give jobs in proportion to their weights.
 * - strict: highest weight first, a lower one only when all higher ones have no ready jobs; equal ones take turns.
 */
export type QueuePolicy = "round-robin" | "weighted" | "strict";

/** All policies. */
export const QUEUE_POLICIES: readonly QueuePolicy[] = ["round-robin", "weighted", "strict"];

/** Queues that have left are remembered up to this number as long as they are ahead of the others. */
const MAX_LEFT = 1000;

/** A queue that waits for its turn. */
interface Entry {
  readonly name: string;
  /** Those of a smaller one go first, whatever else. */
  readonly tier: number;
  /** How far it gets with each job. */
  readonly stride: number;
  /** How far it will have got with its next job: the smallest is next. */
  pass: number;
  /** Order of arrival among equals. */
  since: number;
  /** Its place in the heap. */
  at: number;
}

/**
 * The queues that may have jobs, in the order of their turns (stride scheduling): each has got so far, and one that gives
 * a job gets further, by less the more it weighs. One that comes back starts where the others are, so that no turns are
 * saved up. Every step costs the logarithm of how many there are.
 */
export class QueueTurns {
  readonly #policy: QueuePolicy;
  readonly #heap: Entry[] = [];
  readonly #entries = new Map<string, Entry>();
  /** By tier: how far the queue had got that was served last. */
  readonly #reached = new Map<number, number>();
  /** How far queues had got that have left, where that is further than the others. */
  readonly #left = new Map<string, number>();
  #arrivals = 0;

  constructor(policy: QueuePolicy) {
    this.#policy = policy;
  }

  /** Number of queues. */
  get size(): number {
    return this.#heap.length;
  }

  /** Lets a queue take part; does nothing when it does. */
  offer(name: string, weight: number): void {
    if (this.#entries.has(name)) return;
    const tier = this.#policy === "strict" ? -weight : 0;
    const stride = this.#policy === "weighted" ? 1 / weight : 1;
    const pass = Math.max(this.#left.get(name) ?? 0, this.#reached.get(tier) ?? 0) + stride;
    const entry = { name, tier, stride, pass, since: this.#arrivals++, at: this.#heap.length };
    this.#left.delete(name);
    this.#entries.set(name, entry);
    this.#heap.push(entry);
    this.#up(entry);
  }

  /** Takes a queue out. */
  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    const last = this.#heap.pop() as Entry;
    if (last !== entry) {
      this.#place(last, entry.at);
      this.#up(last);
      this.#down(last);
    }
    const start = entry.pass - entry.stride;
    if (start <= (this.#reached.get(entry.tier) ?? 0)) return;
    this.#left.set(name, start);
    if (this.#left.size <= MAX_LEFT) return;
    for (const oldest of this.#left.keys()) {
      this.#left.delete(oldest);
      return;
    }
  }

  /** The queue whose turn is next, and that `isOpen`; undefined when there is none. */
  next(isOpen: (name: string) => boolean = () => true): string | undefined {
    const first = this.#heap[0];
    if (first === undefined) return undefined;
    if (isOpen(first.name)) return first.name;
    // Few are closed at a time: those that are being asked.
    const closed: Entry[] = [];
    let found: string | undefined;
    for (let head = this.#heap[0]; head !== undefined; head = this.#heap[0]) {
      if (closed.length > 0 && isOpen(head.name)) {
        found = head.name;
        break;
      }
      closed.push(head);
      this.#pop();
    }
    for (const entry of closed) {
      this.#place(entry, this.#heap.length);
      this.#up(entry);
    }
    return found;
  }

  /** A queue has given so many jobs. */
  served(name: string, jobs: number): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#reached.set(entry.tier, Math.max(this.#reached.get(entry.tier) ?? 0, entry.pass - entry.stride));
    entry.pass += entry.stride * jobs;
    entry.since = this.#arrivals++;
    this.#down(entry);
  }

  #pop(): void {
    const last = this.#heap.pop() as Entry;
    if (this.#heap.length === 0 || last === this.#heap[0]) return;
    this.#place(last, 0);
    this.#down(last);
  }

  #place(entry: Entry, at: number): void {
    entry.at = at;
    this.#heap[at] = entry;
  }

  #up(entry: Entry): void {
    while (entry.at > 0) {
      const parent = this.#heap[(entry.at - 1) >> 1] as Entry;
      if (!isBefore(entry, parent)) return;
      const { at } = parent;
      this.#place(parent, entry.at);
      this.#place(entry, at);
    }
  }

  #down(entry: Entry): void {
    for (;;) {
      const left = this.#heap[entry.at * 2 + 1];
      const right = this.#heap[entry.at * 2 + 2];
      if (left === undefined) return;
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (!isBefore(child, entry)) return;
      const { at } = child;
      this.#place(child, entry.at);
      this.#place(entry, at);
    }
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.tier - b.tier < 0 || (a.tier === b.tier && (a.pass < b.pass || (a.pass === b.pass && a.since < b.since)));
}
