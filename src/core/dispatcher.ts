import type { Logger } from "../model/logger.js";
import type { Lease } from "./backend.js";
import type { Clock, Timer } from "./clock.js";
import { Lane, type Place, type Taker } from "./lane.js";
import type { Leasing } from "./leasing.js";
import type { QueuePolicy, SelectorQueue } from "./selector.js";

/** Lease calls under way at the same time, all lanes together. */
const MAX_CALLS = 8;

/** Lanes kept although nobody is in them, for the turns between queues that they remember. */
const MAX_IDLE_LANES = 1000;

/** Wait before leasing again after the backend failed, ms. */
const RETRY_MS = 250;

/** Which jobs a worker takes. */
export interface Demand {
  /** Empty: every queue. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
}

/** A taker's access to the line. */
export interface Membership {
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
 * types stand in one lane, first come, first served. The backend is asked for one taker at a time, and for nobody while
 * a lane is dry: a notice that a job is ready costs one call, however many wait.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #policy: QueuePolicy;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes by each queue that they name; those that take from all under "", which is no name. */
  readonly #byQueue = new Map<string, Set<Lane>>();
  /** Lanes where it may be somebody's turn. */
  readonly #awake = new Set<Lane>();
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
    for (const lane of this.#lanes.values()) lane.update(queues);
    this.#wake(this.#lanes.values());
  }

  /** Whether there is a queue of this name, as far as is known here. */
  knows(queue: string): boolean {
    return this.#queues.some(({ name }) => name === queue);
  }

  /** Jobs of this queue may be ready. */
  ready(queue: string): void {
    this.#wake([...(this.#byQueue.get(queue) ?? []), ...(this.#byQueue.get("") ?? [])]);
  }

  /** Adds a taker; it is not in line yet. */
  join(demand: Demand, taker: Taker): Membership {
    const lane = this.#laneOf(demand);
    const place: Place = { taker, since: 0, isBusy: false, hasLeft: false };
    lane.members++;
    return {
      get isAlone() {
        return lane.members <= 1;
      },
      want: () => {
        if (!place.hasLeft && lane.enter(place)) place.since = this.#arrivals++;
        this.#awake.add(lane);
        this.#serveAll();
      },
      look: () => this.#wake([lane]),
      leave: () => {
        if (!place.hasLeft) {
          place.hasLeft = true;
          lane.members--;
          lane.remove(place);
        }
        return !place.isBusy;
      },
    };
  }

  /** Nothing is leased any more. */
  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
  }

  #laneOf({ queues, types }: Demand): Lane {
    const names = [...new Set(queues)].sort();
    const wanted = [...new Set(types)].sort();
    const key = JSON.stringify([names, wanted]);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      if (this.#lanes.size >= MAX_IDLE_LANES) this.#dropIdleLane();
      lane = new Lane(names, wanted, this.#policy);
      lane.update(this.#queues);
      for (const name of lane.keys) this.#byQueue.set(name, (this.#byQueue.get(name) ?? new Set()).add(lane));
    }
    // Used last, dropped last.
    this.#lanes.delete(key);
    this.#lanes.set(key, lane);
    return lane;
  }

  #dropIdleLane(): void {
    for (const [key, lane] of this.#lanes) {
      if (lane.members > 0) continue;
      this.#lanes.delete(key);
      this.#awake.delete(lane);
      for (const name of lane.keys) {
        const lanes = this.#byQueue.get(name);
        lanes?.delete(lane);
        if (lanes?.size === 0) this.#byQueue.delete(name);
      }
      return;
    }
  }

  #wake(lanes: Iterable<Lane>): void {
    for (const lane of lanes) {
      lane.wake();
      this.#awake.add(lane);
    }
    this.#serveAll();
  }

  /** Serves whoever has waited longest of all whose turn it is, as long as calls are free. */
  #serveAll(): void {
    while (this.#calls < MAX_CALLS && !this.#isClosed) {
      let first: { lane: Lane; place: Place } | undefined;
      for (const lane of this.#awake) {
        const place = lane.next();
        // It is woken by a job, by one who gets in line, and by the end of its own calls.
        if (place === undefined) this.#awake.delete(lane);
        else if (first === undefined || place.since < first.place.since) first = { lane, place };
      }
      if (first === undefined) return;
      void this.#serve(first.lane, first.place);
    }
  }

  async #serve(lane: Lane, place: Place): Promise<void> {
    const { taker } = place;
    const wakes = lane.begin(place);
    this.#calls++;
    let leases: readonly Lease[] = [];
    let failure: { readonly error: unknown } | undefined;
    try {
      leases = await this.#deps.leasing.lease({
        queues: lane.selector.next(),
        types: lane.types,
        max: lane.portion(taker.room()),
        maxBytes: taker.maxBytes,
        leaseMs: taker.leaseMs,
        worker: taker.worker,
        requestId: taker.requestId,
      });
    } catch (error) {
      failure = { error };
    }
    this.#calls--;
    lane.end(place, leases, wakes);
    this.#awake.add(lane);
    if (place.hasLeft) taker.take(leases);
    else if (failure !== undefined && taker.fail !== undefined) {
      lane.remove(place);
      taker.fail(failure.error);
    } else if (leases.length > 0) taker.take(leases);
    if (failure !== undefined) this.#tryLater(lane, failure.error);
    else lane.tellIfDry();
    this.#serveAll();
  }

  #tryLater(lane: Lane, error: unknown): void {
    this.#deps.logger.warn({ err: error }, "jobs could not be leased for remote workers; trying again");
    lane.rest();
    if (this.#isClosed) return;
    this.#retry ??= this.#deps.clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined;
      this.#wake(this.#lanes.values());
    });
  }
}
