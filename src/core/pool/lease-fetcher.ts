import type { Logger } from "../../model/logger.js";
import type { Lease } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import type { Leasing } from "../leasing.js";
import type { QueueSelector } from "../selector.js";
import { yieldToEventLoop } from "../yield-to-event-loop.js";

/** Jobs leased before yielding to the event loop: handlers that never wait would otherwise let nothing else run. */
const TURN = 250;

/** Delay before leasing again after a lease call failed, ms. */
const RETRY_MS = 250;

/** Most lease calls in flight at the same time, by state. */
const MAX_CALLS = { CLOSED: 0, OPEN: 1, BACKLOG: 2 } as const;

type State = keyof typeof MAX_CALLS;

/** Dependencies of a fetcher. */
export interface LeaseFetcherDeps {
  readonly leasing: Leasing;
  readonly selector: QueueSelector;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Returns how many slots are free. */
  readonly freeSlots: () => number;
  /** Runs a leased job; it must occupy a slot before it returns. */
  readonly run: (lease: Lease) => void;
}

/** Settings of a fetcher. */
export interface LeaseFetcherOptions {
  /** Number of slots. */
  readonly size: number;
  readonly types: readonly string[];
  readonly leaseMs: number;
  /** The worker name to lease with. */
  readonly worker: string;
}

/**
 * Fills the free slots of a pool with leased jobs, as long as there are free slots and ready jobs. It never polls:
 * `wake` is called when there may be a new ready job or free slot.
 *
 * | state   | lease calls at once                                     | moves to                                      |
 * |---------|---------------------------------------------------------|-----------------------------------------------|
 * | CLOSED  | none                                                    | OPEN: `open`                                  |
 * | OPEN    | one, for all free slots                                 | BACKLOG: a call got all the jobs it asked for |
 * | BACKLOG | two, each for half of the slots at most, so that one is | OPEN: a call got fewer;                       |
 * |         | in flight while the jobs of the other run               | CLOSED, also from OPEN: `close`               |
 */
export class LeaseFetcher {
  readonly #deps: LeaseFetcherDeps;
  readonly #options: LeaseFetcherOptions;
  readonly #calls = new Set<Promise<void>>();
  #state: State = "CLOSED";
  /** Slots that the calls in flight may still fill. */
  #promised = 0;
  #wakes = 0;
  #retry: Timer | undefined;

  constructor(deps: LeaseFetcherDeps, options: LeaseFetcherOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Starts leasing. */
  open(): void {
    this.#state = "OPEN";
    this.wake();
  }

  /** Stops leasing. Jobs of calls still in flight are passed to `run` all the same. */
  close(): void {
    this.#state = "CLOSED";
    this.#retry?.cancel();
  }

  /** Call when a job may have become ready or a slot free. */
  wake(): void {
    this.#wakes++;
    if (this.#calls.size >= MAX_CALLS[this.#state] || this.#room() === 0) return;
    const call: Promise<void> = this.#fetch().finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  /** Resolves when no call is in flight. */
  async idle(): Promise<void> {
    await Promise.all(this.#calls);
  }

  /** Returns how many jobs the next lease call may ask for. */
  #room(): number {
    const free = Math.max(0, this.#deps.freeSlots() - this.#promised);
    return this.#state === "BACKLOG" ? Math.min(free, Math.ceil(this.#options.size / MAX_CALLS.BACKLOG)) : free;
  }

  /** Leases until there is no free slot or no ready job left. */
  async #fetch(): Promise<void> {
    let leased = 0;
    try {
      for (;;) {
        const wakes = this.#wakes;
        const max = this.#room();
        if (this.#state === "CLOSED" || max === 0) break;
        const leases = await this.#lease(max);
        const [first] = leases;
        if (first !== undefined) this.#deps.selector.served(first.job.queue);
        for (const lease of leases) this.#deps.run(lease);
        this.#answered(leases.length === max);
        if (leases.length === 0 && wakes === this.#wakes) break;
        leased += leases.length;
        if (leased >= TURN) {
          leased = 0;
          await yieldToEventLoop();
        }
      }
    } catch (error) {
      this.#deps.logger.warn({ err: error }, "jobs could not be leased; trying again");
      if (this.#state !== "CLOSED") this.#retryLater();
    }
  }

  async #lease(max: number): Promise<readonly Lease[]> {
    const { leasing, selector } = this.#deps;
    const { types, leaseMs, worker } = this.#options;
    this.#promised += max;
    try {
      return await leasing.lease({ queues: selector.next(), types, max, leaseMs, worker });
    } finally {
      this.#promised -= max;
    }
  }

  #answered(isBacklog: boolean): void {
    if (this.#state !== "CLOSED") this.#state = isBacklog ? "BACKLOG" : "OPEN";
  }

  #retryLater(): void {
    this.#retry ??= this.#deps.clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined;
      this.wake();
    });
  }
}
