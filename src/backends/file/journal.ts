import type { Change } from "../../core/port/changes.js";
import type { Payload } from "../../model/job/job.js";
import type { JobStore } from "../memory/job-store.js";
import type { AnsweredLeaseRequest, StoreJournal } from "../memory/journal.js";
import type { QueuedJob, QueueState } from "../memory/queue-state.js";
import {
  type SavedRequestId,
  savedChange,
  savedJob,
  savedLeaseRequest,
  savedMeeting,
  savedQueue,
  savedRequestId,
  savedSchedule,
} from "../memory/records/saved.js";
import { savedState } from "../memory/records/saved-state.js";
import type { Batch } from "./batch.js";

/**
 * Gathers what operations change until the next commit. Of a job that changed several times, only what it is then is
 * written.
 */
export class Journal implements StoreJournal {
  /** Those that are new, or were revised: all of them is written. */
  readonly #added = new Set<QueuedJob>();
  readonly #changed = new Set<QueuedJob>();
  readonly #queues = new Set<QueueState>();
  readonly #schedules = new Map<QueueState, Set<string>>();
  #gone: { readonly id: string; readonly queue: QueueState; readonly requestId: SavedRequestId | undefined }[] = [];
  #meetings: { readonly queue: QueueState; readonly requestId: string }[] = [];
  #changes: Change[] = [];
  #leaseRequests: AnsweredLeaseRequest[] = [];

  added(record: QueuedJob): void {
    this.#added.add(record);
  }

  revised(record: QueuedJob, before?: QueuedJob): void {
    if (before !== undefined) {
      this.#added.delete(before);
      this.#changed.delete(before);
    }
    this.#added.add(record);
  }

  changed(record: QueuedJob, change?: Change): void {
    if (!record.isGone) this.#changed.add(record);
    if (change !== undefined) this.#changes.push(change);
  }

  gone(record: QueuedJob): void {
    this.#added.delete(record);
    this.#changed.delete(record);
    this.#gone.push({ id: record.id, queue: record.queue, requestId: savedRequestId(record) });
  }

  queueChanged(queue: QueueState): void {
    this.#queues.add(queue);
  }

  scheduleChanged(queue: QueueState, name: string): void {
    const names = this.#schedules.get(queue);
    if (names === undefined) this.#schedules.set(queue, new Set([name]));
    else names.add(name);
  }

  met(queue: QueueState, requestId: string): void {
    this.#meetings.push({ queue, requestId });
  }

  leaseRequest(request: AnsweredLeaseRequest): void {
    this.#leaseRequests.push(request);
  }

  /** Whether there is something to write. */
  get isDirty(): boolean {
    if (this.#changed.size > 0 || this.#gone.length > 0 || this.#queues.size > 0) return true;
    return this.#leaseRequests.length > 0 || this.#schedules.size > 0 || this.#meetings.length > 0;
  }

  /** Returns what to write, and begins anew. */
  take(store: JobStore, number: number): Batch {
    const moment = store.moment();
    const { now } = moment;
    const goneQueues: string[] = [];
    const queues: string[] = [];
    for (const queue of this.#queues) {
      const current = store.queues.get(queue.name);
      if (current !== queue) goneQueues.push(queue.name);
      if (current !== undefined) queues.push(current.name, savedQueue(current, moment));
    }
    const goneSchedules: string[] = [];
    const schedules: string[] = [];
    for (const [queue, names] of this.#schedules) {
      // Those of a queue that is deleted go with it.
      if (store.queues.get(queue.name) !== queue) continue;
      for (const name of names) {
        const schedule = queue.schedules?.get(name);
        if (schedule === undefined) goneSchedules.push(queue.name, name);
        else schedules.push(queue.name, name, savedSchedule(schedule));
      }
    }
    const goneJobs: string[] = [];
    const jobs: (Payload | null)[] = [];
    const states: (Payload | null)[] = [];
    const requestIds: (string | number)[] = [];
    const remember = (queue: QueueState, saved: SavedRequestId | undefined) => {
      if (saved === undefined || saved.until <= now || store.queues.get(queue.name) !== queue) return;
      requestIds.push(saved.queue, saved.key, saved.record, saved.until);
    };
    for (const { id, queue, requestId } of this.#gone) {
      goneJobs.push(id);
      remember(queue, requestId);
    }
    for (const { queue, requestId } of this.#meetings) remember(queue, savedMeeting(queue, requestId, now));
    for (const record of this.#changed) {
      if (this.#added.has(record)) {
        const job = savedJob(record);
        jobs.push(job.id, job.spec, job.own, column(job.payload));
      }
      const state = savedState(record, store.tokens);
      if (state !== undefined) states.push(state.id, state.state, column(state.result));
    }
    const leaseRequests = this.#leaseRequests.flatMap((request) => {
      const { key, record, until } = savedLeaseRequest(request, now);
      return [key, record, until];
    });
    const changes = this.#changes.map(savedChange);
    const firstChange = store.log.next - changes.length;
    this.#added.clear();
    this.#changed.clear();
    this.#queues.clear();
    this.#schedules.clear();
    this.#gone = [];
    this.#meetings = [];
    this.#changes = [];
    this.#leaseRequests = [];
    return {
      ...{
        number,
        now,
        goneQueues,
        queues,
        goneSchedules,
        schedules,
        goneJobs,
        jobs,
        states,
        requestIds,
        leaseRequests,
      },
      ...{ changes, firstChange, oldestChange: store.log.oldest },
    };
  }
}

/** Bytes are copied: a view would take all of the buffer behind it to the other thread. */
function column(payload: Payload | undefined): Payload | null {
  if (payload === undefined) return null;
  return typeof payload === "string" ? payload : Uint8Array.from(payload);
}
