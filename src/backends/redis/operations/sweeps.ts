import type { BackendListener, ExpiredJob, TickResult } from "../../../core/backend.js";
import type { LostLease } from "../../../core/port/leases.js";
import type { DueSchedule } from "../../../core/port/schedule-store.js";
import { jobIdOf } from "../../../model/queue/ids.js";
import { statusOf } from "../layout/codec-state.js";
import type { Reply } from "../link/connection.js";
import type { CompletedBytes } from "../queues/completed-bytes.js";
import type { DueTimes } from "../queues/due-times.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import type { QueueRegistry } from "../queues/queue-registry.js";
import type { ReadyNotices } from "../queues/ready-notices.js";
import { isRefusal, type RefusedQueues } from "../queues/refused-queues.js";
import type { QueueAdmin } from "./queue-admin.js";
import { readAll } from "./schedules.js";

/** Most jobs that one script call processes for each kind of work. */
const SWEEP_PART = 200;

/** Wait before a queue whose sweep failed is swept again, ms. */
const RETRY_MS = 1000;

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
  readonly ready: ReadyNotices;
  readonly completed: CompletedBytes;
  readonly listener: () => BackendListener | undefined;
  /** Name of this server, unique among all servers. */
  readonly self: string;
  readonly maxLostLeases: number;
}

/** Does what is due, queue by queue: ends expired leases, makes scheduled jobs ready, deletes old finished jobs. */
export class Sweeps {
  readonly #deps: SweepsDeps;
  /** The queues whose last sweep failed. */
  readonly #failed = new Set<string>();
  /** What sweeps that no tick waited for have found, for the next tick. */
  readonly #lostAside: LostLease[] = [];
  /** Schedules found due since the last tick. */
  readonly #schedules: DueSchedule[] = [];
  /** Jobs found expired since the last tick. */
  readonly #expired: ExpiredJob[] = [];

  constructor(deps: SweepsDeps) {
    this.#deps = deps;
  }

  /** These jobs were found expired by others than a sweep: the next tick tells them. */
  noteExpired(jobs: readonly ExpiredJob[]): void {
    this.#expired.push(...jobs);
    this.#deps.listener()?.due(0);
  }

  /**
   * Sweeps the queues that are due for this server. Rejects only when all of them failed; one whose last sweep failed, as that
   * of a dead node does after a while, is not waited for.
   */
  async tick(): Promise<TickResult> {
    const { dueTimes, checks } = this.#deps;
    const queues = [...new Set([...dueTimes.due(), ...checks.due()])];
    for (const queue of queues) if (this.#failed.has(queue)) void this.#sweepAside(queue);
    const waited = queues.filter((queue) => !this.#failed.has(queue));
    const results = await Promise.allSettled(waited.map((queue) => this.#sweep(queue)));
    await this.#deps.completed.keepLimit();
    const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    if (errors.length > 0 && errors.length === waited.length) throw errors[0];
    const lost = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const [next, check] = [dueTimes.nextInMs(), checks.nextInMs()];
    return {
      lost: [...this.#lostAside.splice(0), ...lost],
      expired: this.#expired.splice(0),
      schedules: this.#schedules.splice(0),
      nextInMs: next === undefined || check === undefined ? (next ?? check) : Math.min(next, check),
    };
  }

  async #sweepAside(queue: string): Promise<void> {
    const { dueTimes, listener } = this.#deps;
    const lost = await this.#sweep(queue).catch(() => []);
    this.#lostAside.push(...lost);
    // What it found due is told by the next tick.
    listener()?.due(this.#schedules.length > 0 ? 0 : (dueTimes.nextInMs() ?? RETRY_MS));
  }

  async #sweep(queue: string): Promise<LostLease[]> {
    const { dueTimes, checks, refused } = this.#deps;
    dueTimes.begin(queue);
    checks.forget(queue);
    try {
      if (refused.msLeft(queue) === 0) {
        const lost = await this.#sweepNow(queue);
        this.#failed.delete(queue);
        return lost;
      }
    } catch (error) {
      if (!isRefusal(error)) {
        this.#failed.add(queue);
        dueTimes.end(queue, RETRY_MS, RETRY_MS);
        throw error;
      }
    }
    this.#failed.delete(queue);
    const ms = refused.msLeft(queue);
    dueTimes.end(queue, ms, ms);
    return [];
  }

  async #sweepNow(queue: string): Promise<LostLease[]> {
    const { calls, dueTimes, registry, admin, self, maxLostLeases } = this.#deps;
    const { rest, now } = await calls.call("sweep", queue, [SWEEP_PART, self, maxLostLeases]);
    const [nextInMs, isDeleting, ready, exactInMs, schedules, ...lost] = rest;
    for (const schedule of readAll(schedules as readonly Reply[])) this.#schedules.push({ schedule, now });
    if (Number(nextInMs) >= 0) dueTimes.end(queue, Number(nextInMs), Number(exactInMs));
    if (Number(nextInMs) === NO_QUEUE) await this.#finish(queue, Number(isDeleting) === 1);
    else if (!registry.has(queue)) await admin.relist(queue);
    // In case a notice got lost, workers look for themselves.
    this.#deps.ready.swept(queue, text(ready));
    const leases: LostLease[] = [];
    for (let at = 0; at < lost.length; at += 5) {
      const [status, type, number, deliveries, worker] = lost.slice(at, at + 5);
      // Of a job that has expired.
      if (Number(deliveries) === 0) {
        this.#expired.push({ jobId: jobIdOf(queue, text(number)), queue, type: text(type) });
        continue;
      }
      leases.push({
        jobId: jobIdOf(queue, text(number)),
        queue,
        type: text(type),
        status: statusOf(Number(status)),
        deliveries: Number(deliveries),
        worker: text(worker),
      });
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
