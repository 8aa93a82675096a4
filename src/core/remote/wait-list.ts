import type { Lease } from "../backend.js";
import { createQueueSelector, type QueuePolicy, type QueueSelector, type SelectorQueue } from "../selector.js";

/** Most lease calls under way for one list. */
const MAX_CALLS = 8;

/** Most jobs of one hand-out. */
const MAX_PORTION = 1000;

/** Somebody who takes leases. */
export interface Waiter {
  readonly worker: string;
  readonly leaseMs: number;
  readonly requestId?: string | undefined;
  /** Bytes of jobs after which one hand-out ends. */
  readonly maxBytes: number;
  /** Most jobs it takes now; 0: none, but it keeps its place. */
  room(): number;
  /** Takes what was leased for it, and is out of line with it. Once it has left: what came too late, be it nothing. */
  take(leases: readonly Lease[]): void;
  /** Nothing is ready. Only told to those who have this. */
  dry?(): void;
  /** Leasing for it failed. It is out of line with it; one that has no such method stays and is served again. */
  fail?(error: unknown): void;
}

/** A waiter and where it stands. */
export interface WaitListEntry {
  readonly waiter: Waiter;
  /** When it got in line: smaller is earlier. */
  since: number;
  /** Whether a lease call is under way for it. */
  isBusy: boolean;
  hasLeft: boolean;
}

/**
 * Those who want the same jobs, in the order in which they came. The first one that has room is served and leaves the
 * line; it comes back at its end.
 *
 * A hand-out begins with one job each, so that a handful of jobs is spread over all, and doubles with every round in
 * which there was enough, so that a backlog moves in few calls. A list is dry from an answer with no job on, until it is
 * woken.
 */
export class WaitList {
  readonly selector: QueueSelector;
  readonly types: readonly string[];
  /** Waiters that are members, in line or not. */
  members = 0;
  readonly #names: ReadonlySet<string>;
  readonly #line = new Set<WaitListEntry>();
  /** Those in line who want to be told that there is nothing. */
  readonly #impatient = new Set<WaitListEntry>();
  #isDry = false;
  #wakes = 0;
  #calls = 0;
  /** Calls in a row that brought jobs: so many may be under way. */
  #streak = 0;
  #portion = 1;
  /** Hand-outs of this round, and how many it has: one for each that stood in line at the start of it, or of an earlier. */
  #served = 0;
  #round = 0;

  constructor(queues: readonly string[], types: readonly string[], policy: QueuePolicy) {
    this.#names = new Set(queues);
    this.types = types;
    this.selector = createQueueSelector(policy);
  }

  /** The queues it names; "" alone when it takes from all. */
  get keys(): Iterable<string> {
    return this.#names.size === 0 ? [""] : this.#names;
  }

  /** Takes the queues there are now. */
  update(queues: readonly SelectorQueue[]): void {
    this.selector.update(queues.filter(({ name }) => this.#names.size === 0 || this.#names.has(name)));
  }

  /** There may be a job. */
  wake(): void {
    this.#wakes++;
    this.#isDry = false;
  }

  /** Nobody is served until it is woken. */
  rest(): void {
    this.#isDry = true;
    this.#streak = 0;
    this.#portion = 1;
    this.#served = 0;
    this.#round = 0;
  }

  /** Puts an entry at the end. False: it is in line already. */
  enter(entry: WaitListEntry): boolean {
    if (this.#line.has(entry)) return false;
    this.#line.add(entry);
    if (entry.waiter.dry !== undefined) this.#impatient.add(entry);
    return true;
  }

  remove(entry: WaitListEntry): void {
    this.#line.delete(entry);
    this.#impatient.delete(entry);
  }

  /** Whose turn it is; undefined: nobody's for now. */
  next(): WaitListEntry | undefined {
    if (this.#isDry || this.#calls >= Math.max(1, Math.min(MAX_CALLS, this.#streak))) return undefined;
    for (const entry of this.#line) if (!entry.isBusy && entry.waiter.room() > 0) return entry;
    return undefined;
  }

  /** How many jobs the one whose turn it is gets, of those it has room for. */
  portion(room: number): number {
    return this.members <= 1 ? room : Math.min(room, this.#portion);
  }

  /** A lease call begins. Answers what `end` wants to know. */
  begin(entry: WaitListEntry): number {
    entry.isBusy = true;
    this.#calls++;
    return this.#wakes;
  }

  /** A lease call ended: with leases the entry is out of line, else it stays where it is. */
  end(entry: WaitListEntry, leases: readonly Lease[], wakes: number): void {
    entry.isBusy = false;
    this.#calls--;
    const [first] = leases;
    if (first === undefined) {
      if (wakes === this.#wakes) this.rest();
      return;
    }
    this.selector.served(first.job.queue);
    this.#streak++;
    if (this.#served === 0) this.#round = Math.max(this.#round, this.#line.size);
    if (++this.#served >= this.#round) {
      this.#served = 0;
      this.#portion = Math.min(MAX_PORTION, this.#portion * 2);
    }
    this.remove(entry);
  }

  tellIfDry(): void {
    if (!this.#isDry) return;
    for (const entry of [...this.#impatient]) entry.waiter.dry?.();
  }
}
