import type { BackendListener, LostLease, TickResult } from "../../../core/backend.js";
import { statusOf } from "../layout/codec.js";
import type { DueTimes } from "../queues/due-times.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import type { QueueRegistry } from "../queues/queue-registry.js";
import { isRefusal, type RefusedQueues } from "../queues/refused-queues.js";
import type { QueueAdmin } from "./queue-admin.js";

/** Most jobs that one script call processes for each kind of work. */
const SWEEP_PART = 200;

/** Answer of a sweep when the queue does not exist. */
const NO_QUEUE = -2;

/** Dependencies of the sweeps. */
export interface SweepsDeps {
  readonly calls: QueueCalls;
  readonly registry: QueueRegistry;
  readonly admin: QueueAdmin;
  readonly dueTimes: DueTimes;
  /** When to look after queues that may have been left behind, half created or half deleted. */
  readonly checks: DueTimes;
  readonly refused: RefusedQueues;
  readonly listener: () => BackendListener | undefined;
  /** Name of this server, unique among all servers. */
  readonly self: string;
  readonly maxLostLeases: number;
}

/** Does what is due, queue by queue: ends expired leases, makes scheduled jobs ready, deletes old finished jobs. */
export class Sweeps {
  readonly #deps: SweepsDeps;

  constructor(deps: SweepsDeps) {
    this.#deps = deps;
  }

  /** Sweeps the queues that are due for this server. */
  async tick(): Promise<TickResult> {
    const { dueTimes, checks } = this.#deps;
    const queues = new Set([...dueTimes.due(), ...checks.due()]);
    const lost = (await Promise.all([...queues].map((queue) => this.#sweep(queue)))).flat();
    const [next, check] = [dueTimes.nextInMs(), checks.nextInMs()];
    return { lost, nextInMs: next === undefined || check === undefined ? (next ?? check) : Math.min(next, check) };
  }

  async #sweep(queue: string): Promise<LostLease[]> {
    const { dueTimes, checks, refused } = this.#deps;
    dueTimes.begin(queue);
    checks.forget(queue);
    try {
      if (refused.msLeft(queue) === 0) return await this.#sweepNow(queue);
    } catch (error) {
      if (!isRefusal(error)) {
        dueTimes.end(queue, 0, 0);
        throw error;
      }
    }
    const ms = refused.msLeft(queue);
    dueTimes.end(queue, ms, ms);
    return [];
  }

  async #sweepNow(queue: string): Promise<LostLease[]> {
    const { calls, dueTimes, registry, admin, self, maxLostLeases } = this.#deps;
    const { rest } = await calls.call("sweep", queue, [SWEEP_PART, self, maxLostLeases]);
    const [nextInMs, isDeleting, ready, exactInMs, ...lost] = rest;
    if (Number(nextInMs) >= 0) dueTimes.end(queue, Number(nextInMs), Number(exactInMs));
    if (Number(nextInMs) === NO_QUEUE) await this.#finish(queue, Number(isDeleting) === 1);
    else if (!registry.has(queue)) await admin.relist(queue);
    // In case a notice got lost, workers look for themselves.
    if (Number(ready) > 0) this.#deps.listener()?.ready(queue);
    const leases: LostLease[] = [];
    for (let at = 0; at < lost.length; at += 2) {
      leases.push({ queue, type: text(lost[at + 1]), status: statusOf(Number(lost[at])) });
    }
    return leases;
  }

  /** Finishes what another server may have left behind: a deletion, or the entry of a queue that does not exist. */
  async #finish(queue: string, isDeleting: boolean): Promise<void> {
    const { registry, admin, dueTimes, calls } = this.#deps;
    if (isDeleting && !(await admin.continueDeletion(queue))) {
      dueTimes.end(queue, 0, 0);
      return;
    }
    const stamp = registry.stampOf(queue);
    if (!isDeleting && stamp !== undefined) await registry.leave(queue, stamp);
    dueTimes.forget(queue);
    calls.forgetTime(queue);
  }
}
