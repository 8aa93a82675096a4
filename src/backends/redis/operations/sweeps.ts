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
  readonly refused: RefusedQueues;
  readonly listener: () => BackendListener | undefined;
  /** Name of this server, unique among all servers. */
  readonly self: string;
}

/** Does what is due, queue by queue: ends expired leases, makes scheduled jobs ready, deletes old finished jobs. */
export class Sweeps {
  readonly #deps: SweepsDeps;

  constructor(deps: SweepsDeps) {
    this.#deps = deps;
  }

  /** Sweeps the queues that are due for this server. */
  async tick(): Promise<TickResult> {
    const { dueTimes } = this.#deps;
    const lost = (await Promise.all(dueTimes.due().map((queue) => this.#sweep(queue)))).flat();
    return { lost, nextInMs: dueTimes.nextInMs() };
  }

  async #sweep(queue: string): Promise<LostLease[]> {
    const { calls, dueTimes, admin, registry, refused, self } = this.#deps;
    dueTimes.begin(queue);
    const isAlone = refused.msLeft(queue) > 0;
    const answer = isAlone
      ? undefined
      : await calls.call("sweep", queue, [SWEEP_PART, self]).catch((error) => {
          if (isRefusal(error)) return undefined;
          dueTimes.end(queue, 0, 0);
          throw error;
        });
    if (answer === undefined) {
      const ms = refused.msLeft(queue);
      dueTimes.end(queue, ms, ms);
      return [];
    }
    const { rest } = answer;
    const [nextInMs, isDeleting, ready, exactInMs, ...lost] = rest;
    if (Number(nextInMs) >= 0) dueTimes.end(queue, Number(nextInMs), Number(exactInMs));
    if (Number(nextInMs) === NO_QUEUE) {
      // Finish what another server may have left behind: a deletion, or the entry of a deleted queue.
      const stamp = registry.stampOf(queue);
      if (Number(isDeleting) === 1) await admin.finishDeletion(queue);
      else if (stamp !== undefined) await registry.leave(queue, stamp);
      dueTimes.forget(queue);
    }
    // In case a notice got lost, workers look for themselves.
    if (Number(ready) > 0) this.#deps.listener()?.ready(queue);
    const leases: LostLease[] = [];
    for (let at = 0; at < lost.length; at += 2) {
      leases.push({ queue, type: text(lost[at + 1]), status: statusOf(Number(lost[at])) });
    }
    return leases;
  }
}
