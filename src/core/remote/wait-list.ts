import type { Lease } from "../port/leases.js";
import type { Lane } from "../work/work-lane.js";

/** Most lease calls in flight for one list. */
const MAX_CALLS = 8;

/** Most jobs in one lease call when several waiters share the list. */
const MAX_PORTION = 1000;

/** A stream or a poll that waits for leases. */
export interface Waiter {
  /** The name it leases under. */
  readonly worker: string;
  readonly leaseMs: number;
  /** Makes its lease call safe to repeat; see `LeaseRequest`. */
  readonly requestId?: string | undefined;
  /** Bytes of jobs after which one lease call takes no more. */
  readonly maxBytes: number;
  /** Returns how many jobs it takes now. 0: none, but it keeps its place in line. */
  room(): number;
  /** Whether it may have stopped working: it is served only when there is no other. Default: no. */
  isSuspect?(): boolean;
  /**
   * Called with the leases made for it; it is then out of line. After it has left, called once more when a lease call
   * was in flight, even if that brought no lease.
   */
  take(leases: readonly Lease[]): void;
  /** Called while it is in line and no job is ready. A waiter without this method just keeps waiting. */
  dry?(): void;
  /** Called when leasing for it failed; it is then out of line. Without this method it stays in line. */
  fail?(error: unknown): void;
}

/** A waiter and its place in line. */
export interface WaitListEntry {
  readonly waiter: Waiter;
  /** Number of its arrival in line: a smaller one was earlier. */
  since: number;
  /** Whether a lease call for it is in flight. */
  isBusy: boolean;
  /** Whether it has left for good. */
  hasLeft: boolean;
}

/**
 * The waiters that want the same queues and types, in the order in which they got in line. The first that has room is
 * served; when it gets leases it is out of line, and gets in again at the end. Those that are suspect come last.
 *
 * Each waiter first gets one job at a time, so that a few jobs are spread over all of them. The number doubles with
 * every round in which there were enough jobs, so that a backlog moves in few calls. A list is dry while its lane knows of
 * no job.
 */
export class WaitList {
  /** Waiters that are members, in line or not. */
  members = 0;
  readonly #line = new Set<WaitListEntry>();
  /** The waiters in line that have `dry`. */
  readonly #impatient = new Set<WaitListEntry>();
  /** Whether it makes no calls for now, because they fail. */
  #isResting = false;
  /** Lease calls in flight. */
  #calls = 0;
  /** Lease calls in a row that brought jobs. As many calls, 1 to `MAX_CALLS`, may be in flight. */
  #streak = 0;
  /** Most jobs that one waiter gets in this round. */
  #portion = 1;
  /** Waiters served in this round. */
  #served = 0;
  /** How many make a round: the most that were in line at the start of a round since the list was dry last. */
  #round = 0;

  /** `lane`: the queues that may have jobs for it. */
  constructor(
    readonly types: readonly string[],
    readonly lane: Lane,
  ) {}

  /** Makes no calls until `wake`. */
  rest(): void {
    this.#isResting = true;
    this.#restart();
  }

  /** Ends a rest. */
  wake(): void {
    this.#isResting = false;
  }

  /** The size of portions starts again at 1. */
  #restart(): void {
    this.#streak = 0;
    this.#portion = 1;
    this.#served = 0;
    this.#round = 0;
  }

  /** Whether nobody is in line. */
  get isEmpty(): boolean {
    return this.#line.size === 0;
  }

  /** Puts an entry at the end of the line. Returns false when it is in line already. */
  enter(entry: WaitListEntry): boolean {
    if (this.#line.has(entry)) return false;
    this.#line.add(entry);
    if (entry.waiter.dry !== undefined) this.#impatient.add(entry);
    return true;
  }

  /** Takes an entry out of line. */
  remove(entry: WaitListEntry): void {
    this.#line.delete(entry);
    this.#impatient.delete(entry);
  }

  /** Returns the entry to serve next, or undefined when there is none for now. */
  next(): WaitListEntry | undefined {
    if (this.#isResting || this.#calls >= Math.max(1, Math.min(MAX_CALLS, this.#streak))) return undefined;
    let last: WaitListEntry | undefined;
    for (const entry of this.#line) {
      if (entry.isBusy || entry.waiter.room() === 0) continue;
      if (entry.waiter.isSuspect?.() !== true) return this.lane.next() === undefined ? undefined : entry;
      last ??= entry;
    }
    return last === undefined || this.lane.next() === undefined ? undefined : last;
  }

  /** Returns how many jobs to lease for a waiter with this much room. One that is alone on the list gets all of it. */
  portion(room: number): number {
    return this.members <= 1 ? room : Math.min(room, this.#portion);
  }

  /** Called when a lease call for this entry begins. */
  begin(entry: WaitListEntry): void {
    entry.isBusy = true;
    this.#calls++;
  }

  /** Called when a lease call is late, before `end`: others go on without it. */
  late(): void {
    this.#calls--;
  }

  /** Called when the lease call of this entry has ended. With leases the entry is out of line; without, it keeps its place. */
  end(entry: WaitListEntry, leases: readonly Lease[], wasLate: boolean): void {
    entry.isBusy = false;
    if (!wasLate) this.#calls--;
    if (leases.length === 0) {
      if (!this.lane.hasWork) this.#restart();
      return;
    }
    this.#streak++;
    if (this.#served === 0) this.#round = Math.max(this.#round, this.#line.size);
    if (++this.#served >= this.#round) {
      this.#served = 0;
      this.#portion = Math.min(MAX_PORTION, this.#portion * 2);
    }
    this.remove(entry);
  }

  /** Calls `dry` of the waiters in line when the list is dry. */
  tellIfDry(): void {
    if (this.#impatient.size === 0 || (!this.#isResting && this.lane.hasWork)) return;
    for (const entry of [...this.#impatient]) entry.waiter.dry?.();
  }
}
