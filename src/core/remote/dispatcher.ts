import type { Logger } from "../../model/logger.js";
import type { Lease } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import type { Leasing } from "../leasing.js";
import type { QueuePolicy, SelectorQueue } from "../selector.js";
import { type Waiter, WaitList, type WaitListEntry } from "./wait-list.js";

/** Lease calls in flight at the same time, over all wait lists. */
const MAX_CALLS = 8;

/**
 * Wait lists beyond which a list without members is dropped. Empty lists are kept up to this number because their queue
 * selector remembers whose turn it is between the queues.
 */
const MAX_IDLE_LISTS = 1000;

/** Wait before leasing is tried again after the backend failed, ms. */
const RETRY_MS = 250;

/** Which jobs a worker takes. */
export interface JobSelector {
  /** Names of queues. Empty: every queue. */
  readonly queues: readonly string[];
  /** Job types. */
  readonly types: readonly string[];
}

/** The handle of one waiter on its wait list. */
export interface WaitListMembership {
  /** Whether no other waiter wants the same queues and types. */
  readonly isAlone: boolean;
  /** Puts the waiter in line, unless it is in line already. Call it again whenever its room has grown. */
  want(): void;
  /** Wakes the list although no job was reported ready: the notice of a ready job may still be on its way. */
  look(): void;
  /** Leaves for good. Returns false when a lease call for this waiter is in flight: `take` is then called once more. */
  leave(): boolean;
}

/** Dependencies of a dispatcher. */
export interface DispatcherDeps {
  readonly leasing: Leasing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Leases jobs for remote workers, on streams and on polls alike. All waiters that want the same queues and types share
 * one wait list, first come, first served. Each lease call is for one waiter, and no call is made for a dry list. So a
 * notice that a job is ready costs one call, however many waiters there are.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #policy: QueuePolicy;
  readonly #lists = new Map<string, WaitList>();
  /** Wait lists by each queue they name. Those that take from every queue are under "", which is no queue's name. */
  readonly #byQueue = new Map<string, Set<WaitList>>();
  /** Wait lists that may have a waiter to serve. */
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

  /** Replaces the list of existing queues. */
  update(queues: readonly SelectorQueue[]): void {
    this.#queues = queues;
    for (const list of this.#lists.values()) list.update(queues);
    this.#wake(this.#lists.values());
  }

  /** Whether a queue of this name was in the last `update`. It may exist all the same: the update can be late. */
  knows(queue: string): boolean {
    return this.#queues.some(({ name }) => name === queue);
  }

  /** Called when jobs of this queue may be ready. */
  ready(queue: string): void {
    this.#wake([...(this.#byQueue.get(queue) ?? []), ...(this.#byQueue.get("") ?? [])]);
  }

  /** Makes a waiter a member of its wait list. It is not in line before it calls `want`. */
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

  /** Stops leasing for good. */
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
    // Moved to the end, so that the least recently used list is dropped first.
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

  /** Begins lease calls up to `MAX_CALLS`, each for the waiter that has been in line longest over all awake lists. */
  #serveAll(): void {
    while (this.#calls < MAX_CALLS && !this.#isClosed) {
      let first: { list: WaitList; entry: WaitListEntry } | undefined;
      for (const list of this.#awake) {
        const entry = list.next();
        // A ready job, a waiter that gets in line, and the end of a lease call of the list make it awake again.
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
