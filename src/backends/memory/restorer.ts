import type { Change } from "../../core/port/changes.js";
import { readSchedule } from "../../core/stores/saved-schedule.js";
import type { Payload } from "../../model/job/job.js";
import { toTraceContext } from "../../model/log/trace-context.js";
import { numberOf, queueOf } from "../../model/queue/ids.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../model/queue/queue.js";
import type { Schedule } from "../../model/request/schedule.js";
import { ScheduleTable } from "./indexes/schedule-table.js";
import type { Moment } from "./indexes/two-clocks.js";
import type { JobStore } from "./job-store.js";
import type { AnsweredLeaseRequest } from "./journal.js";
import { type QueuedJob, QueueState } from "./queue-state.js";
import { restoredRate } from "./rates.js";
import { isWaitingPlace, type JobLabel, newRecord } from "./records/job-record.js";
import type { LoggedJob } from "./records/logged-changes.js";
import { small } from "./records/run-record.js";
import { firstChange, type OwnFields } from "./records/saved.js";
import { restoreState, type StateFields } from "./records/saved-state.js";
import { JoblessCreate } from "./request-ids.js";

/** Different specs, and names of workers, that are shared by the jobs that have them. */
const MAX_SPECS = 10_000;

/** A job as a journal kept it; see `SavedJob` and `SavedState`. */
export interface RestoredJob {
  readonly id: string;
  readonly spec: string;
  readonly own: string;
  readonly payload: Payload | undefined;
  readonly state: string | undefined;
  readonly result: Payload | undefined;
}

/** What says where a job is: of its state or, without one, of its creation. */
type PlaceFields = Pick<StateFields, "place" | "token" | "leaseMs" | "isBuiltIn">;

/**
 * Puts the records that a journal kept back into an empty `JobStore`: queues first, then jobs in the order of their
 * numbers, then the rest. Nothing of it is logged or announced.
 *
 * A lease goes on: it has the whole of its time again. One of a built-in worker is over at once, as that ended with its server: the
 * first tick counts it as lost.
 */
export class Restorer {
  readonly #store: JobStore;
  readonly #moment: Moment;
  readonly #specs = new Map<string, QueuedJob["shared"]>();
  /** Deleted queues that still have jobs. */
  readonly #leaving = new Map<string, QueueState>();
  readonly #labels = new Map<string, JobLabel>();
  /** Of workers. */
  readonly #names = new Map<string, string>();
  /** The largest number of a job that was met. */
  lastNumber = "0";

  constructor(store: JobStore) {
    this.#store = store;
    this.#moment = store.moment();
  }

  queue(name: string, record: string): void {
    const { settings, paused, createdAt, completed, generation, rate } = JSON.parse(record);
    const queue = new QueueState(name, { ...DEFAULT_QUEUE_SETTINGS, ...settings }, createdAt, generation);
    queue.paused = paused;
    queue.completed = completed;
    queue.rateState = restoredRate(queue.settings.rateLimit, rate, this.#moment);
    this.#store.addQueue(queue);
  }

  /** One of a queue that does not exist is none. */
  schedule(queueName: string, text: string): void {
    const queue = this.#store.queues.get(queueName);
    if (queue === undefined) return;
    queue.schedules ??= new ScheduleTable();
    queue.schedules.put(readSchedule<Schedule>(text));
  }

  /** A job of a queue that does not exist belongs to one that was deleted. */
  job(saved: RestoredJob): void {
    const { id } = saved;
    const number = numberOf(id);
    const own: OwnFields = JSON.parse(saved.own);
    const { createdAt, generation = 0, requestId, digest = "", key, unique } = own;
    const { expiresAt, hasTtl, schedule, scheduledFor } = own;
    const queue = this.#queueOf(queueOf(id), generation);
    const times = this.#store.times(createdAt, own.runAfter);
    const traceContext = own.traceContext && toTraceContext(own.traceContext);
    const isTimeless = expiresAt === undefined && schedule === undefined;
    const isPlain = traceContext === undefined && isTimeless && unique === undefined;
    const ofKey = key === undefined ? undefined : queue.rareOf(key);
    const rare = isPlain ? ofKey : { traceContext, expiresAt, hasTtl, schedule, scheduledFor, key, unique };
    const spec = this.#spec(queue, saved.spec);
    const record: QueuedJob = newRecord(rare, number, spec, saved.payload, requestId, times);
    const state: StateFields | undefined = saved.state === undefined ? undefined : JSON.parse(saved.state);
    if (state !== undefined) restoreState(record, state, saved.result);
    if (record.run !== undefined) record.run.worker = this.#name(record.run.worker);
    const holdMs = unique?.holdMs ?? 0;
    this.#store.claims.restore(record, state?.claim ?? "HELD", holdMs > 0 ? this.#since(createdAt) + holdMs : 0);
    this.#store.kept.add(record);
    queue.jobs.add(number, record);
    queue.all.insert(record);
    if (requestId !== undefined) queue.requestIds.add(record, digest, times, this.#since(createdAt));
    this.#place(record, state ?? own);
    this.#store.expiring.again(record);
    this.#met(number);
  }

  requestId(queueName: string, text: string): void {
    const { requestId, number, digest, createdAt, runAfter, met, at = createdAt } = JSON.parse(text);
    const queue = this.#store.queues.get(queueName);
    if (queue === undefined || queue.requestIds.get(requestId) !== undefined) return;
    const create = new JoblessCreate(requestId, number, met);
    queue.requestIds.add(create, digest, { createdAt, runAfter }, this.#since(at));
    this.#met(number);
  }

  leaseRequest(text: string): void {
    const { worker, requestId, refs, leaseMs }: AnsweredLeaseRequest = JSON.parse(text);
    this.#store.leaseRequests.remember(worker, requestId, refs, this.#moment.monotonic + leaseMs);
  }

  /** The next entry of the change log, after `ChangeLog.continue`. */
  change(fields: Partial<Change> & Pick<Change, "jobId" | "queue" | "type" | "updatedAt" | "runAfter">): void {
    const change = Object.assign(firstChange(), fields, { worker: this.#name(fields.worker) });
    const job = this.#loggedJob(change);
    this.#store.log.restore(change, job);
    this.#met(job.number);
  }

  /** What the log is to share with the record of the job, if that is still there. */
  #loggedJob({ jobId, queue, type, priority, startedAt, updatedAt, runAfter }: Change): LoggedJob {
    const number = numberOf(jobId);
    const record = this.#store.queues.get(queue)?.jobs.get(number);
    const label = this.#label({ queue, type, priority });
    if (record?.runAfter === runAfter) return { number: record.number, label, times: record.times };
    // When it was created is not known without it, and not told by the log.
    return { number, label, times: this.#store.times(startedAt ?? updatedAt, runAfter) };
  }

  /** The same text; one for all that are equal. */
  #name(text = ""): string {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    if (this.#names.size >= MAX_SPECS) this.#names.clear();
    this.#names.set(text, text);
    return text;
  }

  /** Call at the end: the jobs of deleted queues are then forgotten by ticks. */
  end(): void {
    for (const queue of this.#leaving.values()) this.#store.leave(queue);
  }

  #queueOf(name: string, generation: number): QueueState {
    const queue = this.#store.queues.get(name);
    if (queue?.generation === generation) return queue;
    const key = `${generation} ${name}`;
    let leaving = this.#leaving.get(key);
    if (leaving === undefined) {
      leaving = new QueueState(name, DEFAULT_QUEUE_SETTINGS, 0, generation);
      this.#leaving.set(key, leaving);
    }
    return leaving;
  }

  #spec(queue: QueueState, text: string): QueuedJob["shared"] {
    const key = `${queue.generation} ${queue.name} ${text}`;
    let shared = this.#specs.get(key);
    if (shared === undefined) {
      const { type, priority, ...spec } = JSON.parse(text);
      shared = { label: this.#label({ queue: queue.name, type, priority }), queue, ...spec } as QueuedJob["shared"];
      if (this.#specs.size >= MAX_SPECS) this.#specs.clear();
      this.#specs.set(key, shared);
    }
    return shared;
  }

  #label({ queue, type, priority }: JobLabel): JobLabel {
    const key = `${queue} ${priority} ${type}`;
    let label = this.#labels.get(key);
    if (label === undefined) {
      label = { queue, type, priority };
      if (this.#labels.size >= MAX_SPECS) this.#labels.clear();
      this.#labels.set(key, label);
    }
    return label;
  }

  /** Puts a job where its status says. */
  #place(record: QueuedJob, { place, token = "", leaseMs = 0, isBuiltIn = false }: PlaceFields): void {
    const { queue, run, status, startedAt, finishedAt } = record;
    const { now, monotonic } = this.#moment;
    if (status === "PENDING") {
      if (place === "SCHEDULED") queue.schedule(record);
      else if (isWaitingPlace(place)) queue.schedule(record, monotonic + Math.max(0, record.runAfter - now), place);
      else queue.put(record);
    } else if (run !== undefined && status === "RUNNING") {
      queue.began(record);
      const until = isBuiltIn ? monotonic : monotonic + leaseMs;
      this.#store.beginLease(record, { short: token, since: this.#since(startedAt ?? now), until, leaseMs, isBuiltIn });
    } else if (run !== undefined && status === "DEAD") {
      queue.deadLetters.bury(record, finishedAt ?? now, this.#since(finishedAt ?? now));
    } else if (run !== undefined) {
      run.keptSince = small(Math.ceil(this.#since(finishedAt ?? now)));
      if (status === "DONE") queue.done++;
      this.#store.finished.push(record);
    }
  }

  /** The moment of a stamp on the monotonic clock; a stamp of the future counts as now. */
  #since(at: number): number {
    return this.#moment.monotonic - Math.max(0, this.#moment.now - at);
  }

  #met(number: string): void {
    const last = this.lastNumber;
    if (number.length > last.length || (number.length === last.length && number > last)) this.lastNumber = number;
  }
}
