import type { IdGenerator } from "../../model/ids.js";
import type { Clock } from "../clock.js";
import type { HeldLease, LeaseHolder } from "./held-leases.js";
import type { LongPollRequest } from "./long-poll.js";
import type { WorkerInfo } from "./worker-info.js";

/** How long a worker is listed after its last poll, ms. */
const LISTED_MS = 60_000;

/** Most workers listed; of more, those that polled last. */
const MAX_POLLERS = 10_000;

/** Workers looked at, at each poll, to forget those that are gone: more than can be added by it. */
const SWEEP = 2;

/** What is known of a worker that polls. */
class Poller implements LeaseHolder {
  readonly held = new Map<string, HeldLease>();
  waiting = 0;
  seenAt = 0;

  constructor(
    readonly id: string,
    readonly since: number,
    public request: LongPollRequest,
  ) {}

  isGone(now: number): boolean {
    return this.waiting === 0 && this.held.size === 0 && this.seenAt + LISTED_MS <= now;
  }
}

/** The workers that poll, by name, and what they hold. Polls have no connection: they are known for a while only. */
export class Pollers {
  readonly #clock: Clock;
  readonly #ids: IdGenerator;
  /** The one that polled longest ago first. */
  readonly #byName = new Map<string, Poller>();

  constructor(clock: Clock, ids: IdGenerator) {
    this.#clock = clock;
    this.#ids = ids;
  }

  /** A poll begins; to be told when it ends. */
  enter(request: LongPollRequest): () => void {
    const poller = this.#touch(request);
    poller.waiting++;
    return () => {
      poller.waiting--;
      poller.seenAt = this.#clock.monotonic();
    };
  }

  /** Who holds what this worker is answered. */
  holder(worker: string): LeaseHolder {
    return this.#byName.get(worker) ?? { held: new Map() };
  }

  list(): readonly WorkerInfo[] {
    const now = this.#clock.monotonic();
    return [...this.#byName].flatMap(([name, poller]) => {
      if (poller.isGone(now)) return [];
      const { id, since, held, request } = poller;
      const { queues, types, maxJobs, leaseMs } = request;
      return {
        id,
        name,
        kind: "POLL" as const,
        queues,
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
      // One that holds leases goes to the end, so that it does not hide those behind it.
      if (!poller.isGone(now) && this.#byName.size < MAX_POLLERS) this.#byName.set(name, poller);
    }
  }
}
