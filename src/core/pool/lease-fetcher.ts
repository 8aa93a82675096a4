import type { Logger } from "../../model/log/logger.js";
import type { Clock, Timer } from "../clock.js";
import type { Lease } from "../port/leases.js";
import { yieldToEventLoop } from "../turns/yield-to-event-loop.js";
import type { Leasing } from "../work/leasing.js";
import type { Lane } from "../work/work-lane.js";

/**
 * Jobs leased, and how long that went on, ms, before yielding to the event loop: handlers that never wait would otherwise let nothing
 * else run.
 */
const TURN = 250;
const TURN_MS = 20;

/** Bytes of jobs after which one lease call takes no more. */
const CALL_BYTES = 4 * 2 ** 20;

/** Delay before leasing again after `FAILURES` lease calls in a row failed, ms: it is not one queue alone then. */
const RETRY_MS = 250;
const FAILURES = 3;

/** A lease call without an answer for so long holds no slots any more, ms, so that it stalls no other queue. */
const LATE_MS = 250;

/** Most calls that are late at the same time. */
const MAX_LATE = 8;

/** Most lease calls in flight at the same time, by state. */
const MAX_CALLS = { CLOSED: 0, OPEN: 1, BACKLOG: 2 } as const;

type State = keyof typeof MAX_CALLS;

/** A turn of the event loop in which jobs were leased. */
interface Turn {
  leased: number;
  /** When the first of them came, ms on the monotonic clock. */
  readonly began: number;
  /** Resolves at its end. */
  readonly over: Promise<void>;
}

/** Dependencies of a fetcher. */
export interface LeaseFetcherDeps {
  readonly leasing: Leasing;
  /** The queues that may have jobs; `wake` is to be called when it is woken. */
  readonly lane: Lane;
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
 * `wake` or `wakeSoon` is called when there may be a new ready job or free slot.
 *
 * | state   | lease calls at once                                     | moves to                                      |
 * |---------|---------------------------------------------------------|-----------------------------------------------|
 * | CLOSED  | none                                                    | OPEN: `open`                                  |
 * | OPEN    | one, for all free slots                                 | BACKLOG: a call got all it asked for, or what |
 * |         |                                                         | its bytes allowed                             |
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
  /** Calls in flight that are late. */
  #late = 0;
  /** Calls in a row that failed. */
  #failures = 0;
  #retry: Timer | undefined;
  #isWakeDue = false;
  /** Undefined: nothing was leased in this turn. */
  #turn: Turn | undefined;

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
    if (this.#calls.size - this.#late < MAX_CALLS[this.#state]) this.#fetchNext();
  }

  /**
   * The same, once what else has come in with this was handled: jobs that become ready, and slots that become free, in one turn of the
   * event loop share a lease call, and so the runs that follow from it.
   */
  wakeSoon(): void {
    if (this.#isWakeDue) return;
    this.#isWakeDue = true;
    void yieldToEventLoop().then(() => {
      this.#isWakeDue = false;
      this.wake();
    });
  }

  #fetchNext(): void {
    if (this.#state === "CLOSED" || this.#retry !== undefined || this.#room() === 0) return;
    if (this.#deps.lane.next() === undefined) return;
    const call: Promise<void> = this.#fetch().finally(() => {
      this.#calls.delete(call);
      // It may have been woken after it found nothing, and before it was over.
      this.wake();
    });
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
    const { lane, clock } = this.#deps;
    for (;;) {
      const max = this.#room();
      if (this.#state === "CLOSED" || max === 0 || this.#retry !== undefined) break;
      const queue = lane.next();
      if (queue === undefined) break;
      const got = await this.#lease(queue, max);
      // Another call has gone on meanwhile.
      if (got === undefined) break;
      const turn = this.#turn;
      if (turn !== undefined && (turn.leased >= TURN || clock.monotonic() - turn.began >= TURN_MS)) await turn.over;
    }
  }

  /**
   * What was leased in this turn of the event loop, by whichever call: jobs that are ready again as soon as they ended, such as one that is
   * snoozed for no time, have a call of their own each.
   */
  #thisTurn(): Turn {
    this.#turn ??= {
      leased: 0,
      began: this.#deps.clock.monotonic(),
      over: yieldToEventLoop().then(() => {
        this.#turn = undefined;
      }),
    };
    return this.#turn;
  }

  /** Leases from one queue and runs the jobs. Resolves to how many; to undefined when the call was late. */
  async #lease(queue: string, max: number): Promise<number | undefined> {
    const { leasing, lane, logger, clock } = this.#deps;
    const { types, leaseMs, worker } = this.#options;
    const call = lane.begin(queue);
    let isEmptied = false;
    let got: number | undefined;
    let isLate = false;
    this.#promised += max;
    const timer = clock.setTimer(LATE_MS, () => {
      if (this.#late >= MAX_LATE) return;
      isLate = true;
      this.#late++;
      this.#promised -= max;
      lane.late(call);
      this.#fetchNext();
    });
    try {
      const emptied = () => {
        isEmptied = true;
      };
      const leases = await leasing.lease({
        queues: [queue],
        types,
        max,
        maxBytes: CALL_BYTES,
        leaseMs,
        worker,
        isBuiltIn: true,
        emptied,
      });
      got = leases.length;
      this.#failures = 0;
      this.#settle(isLate, max);
      if (got > 0) this.#thisTurn().leased += got;
      this.#runAll(leases, isLate);
      // One that left jobs behind, as they are large, got all it could have.
      if (!isLate) this.#answered(got === max || (got > 0 && !isEmptied));
    } catch (error) {
      this.#settle(isLate, max);
      logger.warn({ err: error, queue }, "jobs could not be leased; trying again");
      if (++this.#failures >= FAILURES && this.#state !== "CLOSED") this.#retryLater();
    } finally {
      timer.cancel();
      lane.end(call, { got, isEmptied });
    }
    return isLate ? undefined : (got ?? 0);
  }

  #settle(isLate: boolean, max: number): void {
    if (isLate) this.#late--;
    else this.#promised -= max;
  }

  /** Runs leased jobs. After a late answer the slots may have been filled: what finds none is given back. */
  #runAll(leases: readonly Lease[], isLate: boolean): void {
    const { run, freeSlots, leasing, logger } = this.#deps;
    const room = isLate ? Math.max(0, freeSlots() - this.#promised) : leases.length;
    for (const lease of leases.slice(0, room)) run(lease);
    const refs = leases.slice(room).map(({ job, token }) => ({ jobId: job.id, token }));
    if (refs.length === 0) return;
    leasing.release(refs).catch((error) => logger.warn({ err: error }, "jobs could not be given back"));
  }

  #answered(isBacklog: boolean): void {
    if (this.#state !== "CLOSED") this.#state = isBacklog ? "BACKLOG" : "OPEN";
  }

  #retryLater(): void {
    this.#retry ??= this.#deps.clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined;
      this.#failures = 0;
      this.wake();
    });
  }
}
