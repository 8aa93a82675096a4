import type { Logger } from "../../model/logger.js";
import type { Lease } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import type { Leasing } from "../leasing.js";
import type { QueuePolicy, SelectorQueue } from "../selector.js";
import { type Waiter, WaitList, type WaitListEntry } from "./wait-list.js";

/** Lease calls under way at the same time, all lists together. */
const MAX_CALLS = 8;

/** Lanes kept although nobody is in them, for the turns between queues that they remember. */
const MAX_IDLE_LISTS = 1000;

/** Wait before leasing again after the backend failed, ms. */
const RETRY_MS = 250;

/** Which jobs a worker takes. */
export interface JobSelector {
  /** Empty: every queue. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
}

/** A waiter's access to the line. */
export interface WaitListMembership {
  /** Whether nobody else wants the same. */
  readonly isAlone: boolean;
  /** Gets in line, if it is not in it; to be called again when its room has grown. */
  want(): void;
  /** Has the line look for jobs even if none was said to be ready: news may be on the way. */
  look(): void;
  /** Leaves for good. False: a lease call is under way for it, and `take` will be called once more. */
  leave(): boolean;
}

/** What a dispatcher is made of. */
export interface DispatcherDeps {
  readonly leasing: Leasing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Serves remote workers, those who wait by a stream and those who wait by a poll alike: all who want the same queues and
 * types stand in one list, first come, first served. The backend is asked for one waiter at a time, and for nobody while
 * a list is dry: a notice that a job is ready costs one call, however many wait.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #policy: QueuePolicy;
  readonly #lists = new Map<string, WaitList>();
  /** Lanes by each queue that they name; those that take from all under "", which is no name. */
  readonly #byQueue = new Map<string, Set<WaitList>>();
  /** Lanes where it may be somebody's turn. */
  readonly #awake = new Set<WaitList>();
  #queues: readonly SelectorQueue[] = [];
  #calls = 0;
  #arrivals = 0;
  #retry: Timer | undefined;
  #isClosed = false;

  constructor(deps: DispatcherDeps, policy: QueuePolicy) {
    this.#deps = deps;
    this.#policy = policy;
  }

  /** Takes the queues there are now. */
  update(queues: readonly SelectorQueue[]): void {
    this.#queues = queues;
    for (const list of this.#lists.values()) list.update(queues);
    this.#wake(this.#lists.values());
  }

  /** Whether there is a queue of this name, as far as is known here. */
  knows(queue: string): boolean {
    return this.#queues.some(({ name }) => name === queue);
  }

  /** Jobs of this queue may be ready. */
  ready(queue: string): void {
    this.#wake([...(this.#byQueue.get(queue) ?? []), ...(this.#byQueue.get("") ?? [])]);
  }

  /** Adds a waiter; it is not in line yet. */
  join(selector: JobSelector, waiter: Waiter): WaitListMembership {
    const list = this.#listOf(selector);
    const entry: WaitListEntry = { waiter, since: 0, isBusy: false, hasLeft: false };
    list.members++;
    return {
      get isAlone() {
        return list.members <= 1;
      },
      want: () => {
        if (!entry.hasLeft && list.enter(entry)) entry.since = this.#arrivals++;
        this.#awake.add(list);
        this.#serveAll();
      },
      look: () => this.#wake([list]),
      leave: () => {
        if (!entry.hasLeft) {
          entry.hasLeft = true;
          list.members--;
          list.remove(entry);
        }
        return !entry.isBusy;
      },
    };
  }

  /** Nothing is leased any more. */
  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
  }

  #listOf({ queues, types }: JobSelector): WaitList {
    const names = [...new Set(queues)].sort();
    const wanted = [...new Set(types)].sort();
    const key = JSON.stringify([names, wanted]);
    let list = this.#lists.get(key);
    if (list === undefined) {
      if (this.#lists.size >= MAX_IDLE_LISTS) this.#dropIdleList();
      list = new WaitList(names, wanted, this.#policy);
      list.update(this.#queues);
      for (const name of list.keys) this.#byQueue.set(name, (this.#byQueue.get(name) ?? new Set()).add(list));
    }
    // Used last, dropped last.
    this.#lists.delete(key);
    this.#lists.set(key, list);
    return list;
  }

  #dropIdleList(): void {
    for (const [key, list] of this.#lists) {
      if (list.members > 0) continue;
      this.#lists.delete(key);
      this.#awake.delete(list);
      for (const name of list.keys) {
        const lists = this.#byQueue.get(name);
        lists?.delete(list);
        if (lists?.size === 0) this.#byQueue.delete(name);
      }
      return;
    }
  }

  #wake(lists: Iterable<WaitList>): void {
    for (const list of lists) {
      list.wake();
      this.#awake.add(list);
    }
    this.#serveAll();
  }

  /** Serves whoever has waited longest of all whose turn it is, as long as calls are free. */
  #serveAll(): void {
    while (this.#calls < MAX_CALLS && !this.#isClosed) {
      let first: { list: WaitList; entry: WaitListEntry } | undefined;
      for (const list of this.#awake) {
        const entry = list.next();
        // It is woken by a job, by one who gets in line, and by the end of its own calls.
        if (entry === undefined) this.#awake.delete(list);
        else if (first === undefined || entry.since < first.entry.since) first = { list, entry };
      }
      if (first === undefined) return;
      void this.#serve(first.list, first.entry);
    }
  }

  async #serve(list: WaitList, entry: WaitListEntry): Promise<void> {
    const { waiter } = entry;
    const wakes = list.begin(entry);
    this.#calls++;
    let leases: readonly Lease[] = [];
    let failure: { readonly error: unknown } | undefined;
    try {
      leases = await this.#deps.leasing.lease({
        queues: list.selector.next(),
        types: list.types,
        max: list.portion(waiter.room()),
        maxBytes: waiter.maxBytes,
        leaseMs: waiter.leaseMs,
        worker: waiter.worker,
        requestId: waiter.requestId,
      });
    } catch (error) {
      failure = { error };
    }
    this.#calls--;
    list.end(entry, leases, wakes);
    this.#awake.add(list);
    if (entry.hasLeft) waiter.take(leases);
    else if (failure !== undefined && waiter.fail !== undefined) {
      list.remove(entry);
      waiter.fail(failure.error);
    } else if (leases.length > 0) waiter.take(leases);
    if (failure !== undefined) this.#tryLater(list, failure.error);
    else list.tellIfDry();
    this.#serveAll();
  }

  #tryLater(list: WaitList, error: unknown): void {
    this.#deps.logger.warn({ err: error }, "jobs could not be leased for remote workers; trying again");
    list.rest();
    if (this.#isClosed) return;
    this.#retry ??= this.#deps.clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined;
      this.#wake(this.#lists.values());
    });
  }
}
