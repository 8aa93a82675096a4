import type { IdGenerator } from "../../model/queue/ids.js";
import type { Clock } from "../clock.js";
import { queuesOf } from "./dispatcher.js";
import type { HeldLease, LeaseHolder } from "./held-leases.js";
import type { LongPollRequest } from "./long-poll.js";
import type { WorkerInfo } from "./worker-info.js";

/** How long a worker is listed after its last poll, ms. */
const LISTED_MS = 60_000;

/** Most workers listed. When there are more, those that polled longest ago are forgotten. */
const MAX_POLLERS = 10_000;

/** Workers checked at each poll whether they are gone. A poll adds at most one worker, so the checks keep up. */
const SWEEP = 2;

/** What is known about a worker that polls. */
class Poller implements LeaseHolder {
  readonly held = new Map<string, HeldLease>();
  /** Polls in flight. */
  waiting = 0;
  /** When its last poll ended, ms on the monotonic clock. */
  seenAt = 0;

  constructor(
    readonly id: string,
    /** Its first poll, ms since 1970. */
    readonly since: number,
    /** Its latest poll. */
    public request: LongPollRequest,
  ) {}

  isGone(now: number): boolean {
    return this.waiting === 0 && this.held.size === 0 && this.seenAt + LISTED_MS <= now;
  }
}

/**
 * The workers that poll, by name, and the leases they hold. A poll keeps no connection that would show that its worker
 * is gone, so a worker is forgotten `LISTED_MS` after its last poll, once it holds no lease.
 */
export class Pollers {
  readonly #clock: Clock;
  readonly #ids: IdGenerator;
  /** Least recent poll first, apart from workers that a sweep moved to the end. */
  readonly #byName = new Map<string, Poller>();

  constructor(clock: Clock, ids: IdGenerator) {
    this.#clock = clock;
    this.#ids = ids;
  }

  /** Records that a poll begins. Returns the function to call when it ends. */
  enter(request: LongPollRequest): () => void {
    const poller = this.#touch(request);
    poller.waiting++;
    return () => {
      poller.waiting--;
      poller.seenAt = this.#clock.monotonic();
    };
  }

  /** Returns the holder of the leases that this worker gets; one that is not listed when the worker is not known. */
  holder(worker: string): LeaseHolder {
    return this.#byName.get(worker) ?? { held: new Map() };
  }

  /** Returns the workers that are not gone. */
  list(): readonly WorkerInfo[] {
    const now = this.#clock.monotonic();
    return [...this.#byName].flatMap(([name, poller]) => {
      if (poller.isGone(now)) return [];
      const { id, since, held, request } = poller;
      const { types, maxJobs, leaseMs } = request;
      return {
        id,
        name,
        kind: "POLL" as const,
        queues: queuesOf(request),
        types,
        capacity: maxJobs,
        jobIds: [...held.keys()],
        leaseMs,
        since,
      };
    });
  }

  #touch(request: LongPollRequest): Poller {
    const { worker } = request;
    const poller = this.#byName.get(worker) ?? new Poller(this.#ids.next(), this.#clock.now(), request);
    poller.request = request;
    this.#sweep();
    this.#byName.delete(worker);
    this.#byName.set(worker, poller);
    return poller;
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    let looked = 0;
    for (const [name, poller] of this.#byName) {
      if (looked++ === SWEEP) return;
      this.#byName.delete(name);
      // A worker that is not gone moves to the end, so that the next sweep reaches those behind it.
      if (!poller.isGone(now) && this.#byName.size < MAX_POLLERS) this.#byName.set(name, poller);
    }
  }
}
