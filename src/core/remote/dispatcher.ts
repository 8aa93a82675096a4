import type { Logger } from "../../model/log/logger.js";
import type { QueuePatterns } from "../../model/queue/queue-patterns.js";
import type { Clock, Timer } from "../clock.js";
import type { Lease } from "../port/leases.js";
import type { Leasing } from "../work/leasing.js";
import type { ReadyWork } from "../work/ready-work.js";
import { type Waiter, WaitList, type WaitListEntry } from "./wait-list.js";

/** Lease calls in flight at the same time, over all wait lists. */
const MAX_CALLS = 8;

/**
 * Wait lists beyond which a list without members is dropped. Empty lists are kept up to this number because they remember
 * whose turn it is between the queues.
 */
const MAX_IDLE_LISTS = 1000;

/** Wait before leasing is tried again after `FAILURES` calls in a row failed, ms: it is not one queue alone then. */
const RETRY_MS = 250;
const FAILURES = 3;

/** A lease call without an answer for so long is not counted any more, ms, so that it stalls nobody but its waiter. */
const LATE_MS = 250;

/** Most calls that are late at the same time. */
const MAX_LATE = 8;

/** Which jobs a worker takes. */
export interface JobSelector {
  /** Names of queues. Empty: every queue. */
  readonly queues: readonly string[];
  /** Job types. */
  readonly types: readonly string[];
  /** With no queues named: only these. For a worker that may reach no others. */
  readonly within?: QueuePatterns | undefined;
}

/** The queues that a worker takes from, by name or as `prefix*`. Empty: every queue. */
export function queuesOf({ queues, within }: JobSelector): readonly string[] {
  return queues.length > 0 || within === undefined ? queues : within.list;
}

/** The handle of one waiter on its wait list. */
export interface WaitListMembership {
  /** Whether no other waiter wants the same queues and types. */
  readonly isAlone: boolean;
  /** Puts the waiter in line, unless it is in line already. Call it again whenever its room has grown. */
  want(): void;
  /** Leaves for good. Returns false when a lease call for this waiter is in flight: `take` is then called once more. */
  leave(): boolean;
}

/** Dependencies of a dispatcher. */
export interface DispatcherDeps {
  readonly leasing: Leasing;
  /** Knows which queues may have jobs. */
  readonly work: ReadyWork;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Leases jobs for remote workers, on streams and on polls alike. All waiters that want the same queues and types share
 * one wait list, first come, first served. Each lease call is for one waiter and asks one queue that may have jobs. So a
 * notice that a job is ready costs one call or two, however many waiters and lists there are.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #lists = new Map<string, WaitList>();
  /** Wait lists that may have a waiter to serve. */
  readonly #awake = new Set<WaitList>();
  #calls = 0;
  #late = 0;
  #failures = 0;
  #arrivals = 0;
  #retry: Timer | undefined;
  #isServing = false;
  #isClosed = false;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
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
        this.#wake(list);
      },
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

  #listOf({ queues, types, within }: JobSelector): WaitList {
    const names = [...new Set(queues.length > 0 ? queues : within?.names)].sort();
    const wanted = [...new Set(types)].sort();
    const among = names.length > 0 ? undefined : within;
    const key = JSON.stringify([names, wanted, among?.key]);
    let list = this.#lists.get(key);
    if (list === undefined) {
      if (this.#lists.size >= MAX_IDLE_LISTS) this.#dropIdleList();
      const lane = this.#deps.work.lane(new Set(names), wanted, () => this.#woken(key), among);
      list = new WaitList(wanted, lane);
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
      list.lane.close();
      return;
    }
  }

  /** The lane of a list was told of jobs. Lists that are woken in one turn are served together. */
  #woken(key: string): void {
    const list = this.#lists.get(key);
    if (list === undefined || list.isEmpty) return;
    this.#awake.add(list);
    if (this.#isServing) return;
    this.#isServing = true;
    queueMicrotask(() => {
      this.#isServing = false;
      this.#serveAll();
    });
  }

  #wake(list: WaitList): void {
    this.#awake.add(list);
    this.#serveAll();
  }

  /** Begins lease calls up to `MAX_CALLS`, each for the waiter that has been in line longest over all awake lists. */
  #serveAll(): void {
    while (this.#calls - this.#late < MAX_CALLS && !this.#isClosed) {
      let first: { list: WaitList; entry: WaitListEntry } | undefined;
      for (const list of this.#awake) {
        const entry = list.next();
        // A ready job, a waiter that gets in line, and the end of a lease call of the list make it awake again.
        if (entry === undefined) {
          this.#awake.delete(list);
          list.tellIfDry();
        } else if (first === undefined || entry.since < first.entry.since) first = { list, entry };
      }
      if (first === undefined) return;
      void this.#serve(first.list, first.entry);
    }
  }

  async #serve(list: WaitList, entry: WaitListEntry): Promise<void> {
    const { waiter } = entry;
    const { leasing, clock } = this.#deps;
    const queue = list.lane.next();
    if (queue === undefined) return;
    list.begin(entry);
    const call = list.lane.begin(queue);
    this.#calls++;
    let leases: readonly Lease[] = [];
    let failure: { readonly error: unknown } | undefined;
    let isEmptied = false;
    let isLate = false;
    const timer = clock.setTimer(LATE_MS, () => {
      if (this.#late >= MAX_LATE) return;
      isLate = true;
      this.#late++;
      list.late();
      list.lane.late(call);
      this.#wake(list);
    });
    try {
      leases = await leasing.lease({
        queues: [queue],
        types: list.types,
        max: list.portion(waiter.room()),
        maxBytes: waiter.maxBytes,
        leaseMs: waiter.leaseMs,
        worker: waiter.worker,
        requestId: waiter.requestId,
        emptied: () => {
          isEmptied = true;
        },
      });
    } catch (error) {
      failure = { error };
    }
    timer.cancel();
    this.#calls--;
    if (isLate) this.#late--;
    list.lane.end(call, { got: failure === undefined ? leases.length : undefined, isEmptied });
    list.end(entry, leases, isLate);
    this.#awake.add(list);
    if (entry.hasLeft) waiter.take(leases);
    else if (failure !== undefined && waiter.fail !== undefined) {
      list.remove(entry);
      waiter.fail(failure.error);
    } else if (leases.length > 0) waiter.take(leases);
    if (failure !== undefined) this.#failed(list, failure.error);
    else this.#failures = 0;
    this.#serveAll();
  }

  #failed(list: WaitList, error: unknown): void {
    this.#deps.logger.warn({ err: error }, "jobs could not be leased for remote workers; trying again");
    if (++this.#failures < FAILURES) return;
    list.rest();
    if (this.#isClosed) return;
    this.#retry ??= this.#deps.clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined;
      this.#failures = 0;
      for (const each of this.#lists.values()) {
        each.wake();
        this.#awake.add(each);
      }
      this.#serveAll();
    });
  }
}
