import type { BackendOptions, RowOutcome } from "../../../src/core/backend.js";
import type { Change } from "../../../src/core/port/changes.js";
import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  LeaseRef,
  LeaseRequest,
  LostLease,
  Release,
  Settlement,
} from "../../../src/core/port/leases.js";
import type { BulkAction } from "../../../src/core/port/listing.js";
import type { EnqueueResult, JobUpdate, NewJob } from "../../../src/core/port/new-jobs.js";
import type { ErrorReason } from "../../../src/model/common/errors.js";
import { type Job, type JobStatus, jobBytes } from "../../../src/model/job/job.js";
import type { HeldBy, PendingState } from "../../../src/model/job/pending-state.js";
import { isAutomatic, REQUEST_ID_TTL_MS } from "../../../src/model/job/request-id.js";
import { numberOf } from "../../../src/model/queue/ids.js";
import type { QueueOrdering, QueueSettings, QueueStats, ReadyKey } from "../../../src/model/queue/queue.js";
import {
  afterChange,
  afterHandOut,
  afterPause,
  freeSlots,
  nextSlotAt,
  type RateState,
} from "../../../src/model/queue/rate-limit.js";
import { naiveOrder } from "./naive-order.js";
import { NaiveSchedules } from "./naive-schedules.js";
import { NaiveTurns } from "./naive-turns.js";
import { changeOf } from "./support.js";

/** Stands for the error text of a lost lease, which each backend words in its own way. */
export const LOST = "(the words of the backend)";

/** A job as it should be, and what else is known about it. */
export interface ModelJob {
  readonly job: { -readonly [K in keyof Job]: Job[K] };
  readonly requestId: string | undefined;
  readonly digest: string | undefined;
  /** Every change so far. */
  readonly history: Change[];
  token: string | undefined;
  /** The token that settled it last. */
  settledToken: string | undefined;
  settledBy: string | undefined;
  /** As measured: see `NaiveModel.time`. */
  readonly createdAt: number;
  leaseUntil: number;
  readyAt: number;
  /** What it counts as until then. */
  waits: "SCHEDULED" | "RETRYING";
  /** When it expires unless it begins; infinity: never. */
  expiresAt: number;
  /** Why it holds its unique key: for its own reason, for what is left of its hold, not at all. */
  claim: "HELD" | "REST" | "NONE";
  readonly holdUntil: number;
  startedAt: number;
  /** `setAhead` when it started; undefined when its stamp does not tell when that was. */
  startedAhead: number | undefined;
  finishedAt: number;
  /** Deleted, or forgotten after it was finished. */
  gone: boolean;
}

/** What a request id created, or what its create met. */
interface Requested {
  readonly id: string;
  readonly digest: string | undefined;
  readonly met?: EnqueueResult["met"];
}

/**
 * The contract implemented a second time, with plain lists that are scanned from end to end. It shares nothing with a
 * backend.
 */
export class NaiveModel {
  /** What the wall clock tells, ms since 1970, and by how much it was set ahead in all; set by the tests. */
  now = 0;
  setAhead = 0;
  /** All jobs there ever were, in the order of creation. */
  readonly all: ModelJob[] = [];
  readonly queues = new Map<string, { settings: QueueSettings; paused: boolean }>();
  readonly schedules = new NaiveSchedules();
  /** What the rates of queues have used. */
  readonly rates = new Map<string, RateState | undefined>();
  readonly #turns = new Map<string, NaiveTurns>();
  /** What creates with a request id met. */
  readonly #meetings: (Requested & { readonly queue: string; readonly requestId: string; readonly until: number })[] =
    [];
  #isTogether = false;
  /** How many jobs of each queue have ever become DONE. */
  readonly completed = new Map<string, number>();
  readonly #options: BackendOptions;

  constructor(options: BackendOptions) {
    this.#options = options;
  }

  /** Ms that have passed, whatever the wall clock did. */
  get time(): number {
    return this.now - this.setAhead;
  }

  /** All that happens in `act` happens at the same time: in which order keys come, is not said. */
  together<T>(act: () => T): T {
    this.#isTogether = true;
    try {
      return act();
    } finally {
      this.#isTogether = false;
      this.#see();
    }
  }

  /** Notes which keys have come to have jobs that may run. */
  #see(): void {
    if (this.#isTogether) return;
    for (const [name, { settings }] of this.queues) {
      if (settings.ordering !== "FAIR") continue;
      const ready = this.#mayRun(name);
      this.#turnsOf(name).see(new Set(ready.map(({ job }) => job.key ?? "")));
    }
  }

  #turnsOf(queue: string): NaiveTurns {
    const turns = this.#turns.get(queue) ?? new NaiveTurns();
    this.#turns.set(queue, turns);
    return turns;
  }

  /** The PENDING jobs whose time has come, and whose keys do not run as many jobs as they may. */
  #mayRun(queue: string): ModelJob[] {
    const ready = this.inQueue(queue, "PENDING").filter((each) => this.isReady(each));
    const full = this.fullKeys(queue);
    return ready.filter(({ job }) => !full.has(job.key));
  }

  /** The keys of a queue that run as many jobs as they may. */
  fullKeys(queue: string): ReadonlySet<string | undefined> {
    const { maxConcurrencyPerKey = 0 } = this.queues.get(queue)?.settings ?? {};
    if (maxConcurrencyPerKey === 0) return new Set();
    const running = this.inQueue(queue, "RUNNING").flatMap(({ job }) => job.key ?? []);
    return new Set(running.filter((key) => running.filter((each) => each === key).length >= maxConcurrencyPerKey));
  }

  find(id: string): ModelJob | undefined {
    return this.all.find(({ job, gone }) => job.id === id && !gone);
  }

  /** The jobs of a queue in these statuses. */
  inQueue(queue: string, ...statuses: readonly JobStatus[]): ModelJob[] {
    return this.all.filter(({ job, gone }) => !gone && job.queue === queue && statuses.includes(job.status));
  }

  /** Why these jobs cannot be created; each of the reasons is right. */
  refuses(jobs: readonly NewJob[]): ErrorReason[] {
    const reasons = new Set<ErrorReason>();
    for (const [name, { settings }] of this.queues) {
      const mine = jobs.filter(({ queue }) => queue === name);
      const keys = new Set<string>();
      const fresh = mine.filter(({ requestId, unique, onConflict }, at) => {
        const isNew =
          requestId === undefined ||
          (this.#requested(name, requestId) === undefined &&
            mine.findIndex((other) => other.requestId === requestId) === at);
        if (!isNew || unique === undefined) return isNew;
        const isHeld = this.holder(name, unique.key) !== undefined || keys.has(unique.key);
        if (isHeld && onConflict === "REFUSE") reasons.add("JOB_EXISTS");
        keys.add(unique.key);
        return !isHeld;
      });
      const isReused = mine.some(({ requestId, digest }) => {
        if (requestId === undefined) return false;
        const known = this.#requested(name, requestId) ?? mine.find((other) => other.requestId === requestId);
        return known?.digest !== digest;
      });
      if (isReused) reasons.add("REQUEST_ID_REUSED");
      const depth = this.inQueue(name, "PENDING").length + fresh.length;
      if (settings.maxDepth > 0 && fresh.length > 0 && depth > settings.maxDepth) reasons.add("QUEUE_FULL");
    }
    if (jobs.some(({ queue }) => !this.queues.has(queue))) reasons.add("QUEUE_NOT_FOUND");
    return [...reasons];
  }

  /** The job that holds a unique key. */
  holder(queue: string, key: string): ModelJob | undefined {
    return this.all.find(({ job, gone, claim, holdUntil }) => {
      if (gone || job.queue !== queue || job.unique?.key !== key || claim === "NONE") return false;
      return claim === "HELD" || holdUntil > this.time;
    });
  }

  /** The holds that are over end: what they kept counts as finished now. */
  endHolds(): void {
    for (const found of this.all) {
      if (found.claim !== "REST" || found.holdUntil > this.time) continue;
      found.claim = "NONE";
      if (found.job.status === "DONE") found.finishedAt = this.time;
    }
  }

  enqueue(jobs: readonly NewJob[]): Pick<EnqueueResult, "id" | "deduplicated" | "met">[] {
    return jobs.map(
      ({ delayMs, ttlMs: own, requestId, digest, runAfter = this.now + (delayMs ?? 0), open = 0, ...asked }) => {
        const { onConflict, ...spec } = asked;
        const { defaultTtlMs = null } = this.queues.get(spec.queue)?.settings ?? {};
        const given = open > 7 && defaultTtlMs !== null ? (delayMs ?? 0) + defaultTtlMs : undefined;
        const ttlMs = own ?? given;
        const known = requestId === undefined ? undefined : this.#requested(spec.queue, requestId);
        if (known !== undefined) return { id: known.id, deduplicated: true, met: known.met };
        const holder = spec.unique && this.holder(spec.queue, spec.unique.key);
        if (holder !== undefined) {
          const met = onConflict === "REPLACE" && holder.job.status === "PENDING" ? "REPLACED" : "KEPT";
          if (met === "REPLACED") {
            const { id, queue, unique, ...content } = spec;
            Object.assign(holder.job, { traceContext: undefined, key: undefined }, content, this.#given(queue, open));
            holder.job.expiresAt = ttlMs === undefined ? undefined : this.now + ttlMs;
            holder.expiresAt = ttlMs === undefined ? Number.POSITIVE_INFINITY : this.time + ttlMs;
            holder.readyAt = this.time + (delayMs ?? 0);
            holder.waits = "SCHEDULED";
            this.#step(holder, { retryCount: 0, runAfter });
          }
          const until = this.time + REQUEST_ID_TTL_MS;
          const { id } = holder.job;
          if (requestId !== undefined) this.#meetings.push({ queue: spec.queue, requestId, digest, id, met, until });
          return { id, deduplicated: true, met };
        }
        const job: Job = {
          ...spec,
          ...this.#given(spec.queue, open),
          expiresAt: ttlMs === undefined ? undefined : this.now + ttlMs,
          ...{ status: "PENDING", revision: 1, retryCount: 0, deliveries: 0, lostLeases: 0, error: "", worker: "" },
          ...{
            attemptErrors: [],
            result: undefined,
            resultDropped: false,
            progress: undefined,
            cancelRequested: false,
            runAfter,
          },
          ...{ createdAt: this.now, updatedAt: this.now, startedAt: undefined, finishedAt: undefined },
        };
        const lease = { token: undefined, settledToken: undefined, settledBy: undefined, waits: "SCHEDULED" as const };
        // Runs give a time of their own only if it has passed: whether another is due depends on when one looks.
        const measured = {
          createdAt: this.time,
          leaseUntil: 0,
          readyAt: this.time + (delayMs ?? 0),
          expiresAt: ttlMs === undefined ? Number.POSITIVE_INFINITY : this.time + ttlMs,
          claim: spec.unique === undefined ? ("NONE" as const) : ("HELD" as const),
          holdUntil: this.time + (spec.unique?.holdMs ?? 0),
          startedAt: 0,
          startedAhead: 0,
          finishedAt: 0,
        };
        this.all.push({ job, requestId, digest, history: [changeOf(job)], ...lease, ...measured, gone: false });
        this.#see();
        return { id: job.id, deduplicated: false };
      },
    );
  }

  /** The jobs that should be leased; they get these tokens. `ids`: what was leased, which decides where more than one order is right. */
  lease(request: LeaseRequest, tokens: readonly string[], ids: readonly string[]): ModelJob[] {
    const taken: ModelJob[] = [];
    for (const name of request.queues) {
      const queue = this.queues.get(name);
      if (queue === undefined || queue.paused) continue;
      const { ordering, maxConcurrency } = queue.settings;
      const most = taken.length + this.#slots(name);
      const before = taken.length;
      while (taken.length < Math.min(request.max, most)) {
        if (maxConcurrency > 0 && this.inQueue(name, "RUNNING").length >= maxConcurrency) break;
        const found = this.#next(name, ordering, request.types, ids[taken.length]);
        if (found === undefined) break;
        found.token = tokens[taken.length] ?? "(missing)";
        if (found.job.unique?.until === "STARTED") this.#loosen(found);
        found.startedAt = this.time;
        found.startedAhead = this.#stamp(found) === this.now ? this.setAhead : undefined;
        found.leaseUntil = this.time + request.leaseMs;
        found.job.deliveries++;
        const fresh = { progress: undefined, startedAt: this.#stamp(found), worker: request.worker };
        if (ordering === "FAIR") this.#turnsOf(name).serve(found.job.key ?? "");
        this.#step(found, { status: "RUNNING", ...fresh });
        taken.push(found);
      }
      this.#noteHandOut(name, taken.length - before);
    }
    return taken;
  }

  #slots(name: string): number {
    const rate = this.queues.get(name)?.settings.rateLimit;
    return rate ? freeSlots(rate, this.rates.get(name), this.time) : Number.POSITIVE_INFINITY;
  }

  #noteHandOut(name: string, count: number): void {
    const rate = this.queues.get(name)?.settings.rateLimit;
    if (!rate || count === 0) return;
    const isMoreReady = this.#mayRun(name).length > 0;
    this.rates.set(name, afterHandOut(rate, this.rates.get(name), this.time, count, isMoreReady));
  }

  /** When the rate of a queue lets jobs go that it holds back now, as `time` goes; undefined: it holds back none. */
  slotAt(name: string): number | undefined {
    const rate = this.queues.get(name)?.settings.rateLimit;
    const isAnyReady = this.#mayRun(name).length > 0;
    return rate && isAnyReady ? nextSlotAt(rate, this.rates.get(name), this.time) : undefined;
  }

  setPaused(name: string, paused: boolean): void {
    const queue = this.queues.get(name);
    if (queue === undefined) return;
    queue.paused = paused;
    this.rates.set(name, afterPause(this.rates.get(name)));
  }

  updateQueue(name: string, settings: Partial<QueueSettings>): void {
    const queue = this.queues.get(name);
    if (queue === undefined) return;
    const [before, { rateLimit: after = before }] = [queue.settings.rateLimit, settings];
    const state = this.rates.get(name);
    this.rates.set(name, before && after ? afterChange(before, after, state, this.time) : undefined);
    queue.settings = { ...queue.settings, ...settings };
  }

  /** The job that is leased next. */
  #next(queue: string, ordering: QueueOrdering, types: readonly string[], id: string | undefined) {
    const ready = this.#mayRun(queue)
      .filter(({ job }) => types.includes(job.type))
      .sort((a, b) => naiveOrder(ordering, readyKey(a.job), readyKey(b.job)));
    if (ordering !== "FAIR") return ready[0];
    const keys = this.#turnsOf(queue).next([...new Set(ready.map(({ job }) => job.key ?? ""))]);
    const first = keys.map((key) => ready.find(({ job }) => (job.key ?? "") === key));
    return first.find((each) => each?.job.id === id) ?? first[0];
  }

  complete({ result, ...ref }: Completion): Settlement {
    return this.#settle("complete", ref, (found) => {
      found.job.result = result;
      this.#finish(found, "DONE");
      this.completed.set(found.job.queue, (this.completed.get(found.job.queue) ?? 0) + 1);
    });
  }

  release({ isLost, delayMs, ...ref }: Release): Settlement {
    return this.#settle("release", ref, (found) => {
      if (isLost) return this.#lose(found);
      if (delayMs !== undefined && !found.job.cancelRequested) {
        found.job.runAfter = this.now + delayMs;
        found.readyAt = this.time + delayMs;
        found.waits = "SCHEDULED";
      }
      this.#requeue(found);
    });
  }

  fail({ error, retry, jitter, ...ref }: Failure): Settlement {
    return this.#settle("fail", ref, (found) => {
      const { job } = found;
      this.#noteError(found, error);
      if (job.cancelRequested) return this.#finish(found, "CANCELED");
      this.#step(found, { status: "FAILED" });
      if (retry === "NEVER" || job.retryCount === job.maxRetries) {
        return this.#die(found);
      }
      job.retryCount++;
      const { delaysMs, baseDelayMs = 0, maxDelayMs = 0, multiplier = 2 } = job.backoff;
      let waitMs = Math.min(baseDelayMs * multiplier ** (job.retryCount - 1), maxDelayMs);
      if (delaysMs !== undefined) waitMs = delaysMs[job.retryCount - 1] ?? delaysMs.at(-1) ?? 0;
      waitMs += Math.round((waitMs * jitter * 40) / 100);
      if (retry !== "DEFAULT") waitMs = retry.afterMs;
      job.runAfter = this.now + waitMs;
      found.readyAt = this.time + waitMs;
      found.waits = "RETRYING";
      this.#step(found, { status: "PENDING" });
    });
  }

  extend({ jobId, token, leaseMs, progress }: Extension): ExtendResult {
    const found = this.find(jobId);
    if (found === undefined || found.token !== token) return { outcome: "LEASE_LOST", expiresInMs: 0 };
    const { cancelRequested } = found.job;
    if (progress !== undefined) this.#step(found, { progress });
    if (leaseMs !== undefined && !cancelRequested) found.leaseUntil = Math.max(found.leaseUntil, this.time + leaseMs);
    return { outcome: cancelRequested ? "CANCEL_REQUESTED" : "OK", expiresInMs: found.leaseUntil - this.time };
  }

  /** Returns the reason if it is refused. */
  cancel(id: string): ErrorReason | undefined {
    const found = this.find(id);
    if (found === undefined) return "JOB_NOT_FOUND";
    const { status, cancelRequested } = found.job;
    if (status === "DONE" || status === "DEAD") return "JOB_STATE_CONFLICT";
    if (status === "PENDING") this.#finish(found, "CANCELED");
    if (status === "RUNNING" && !cancelRequested) this.#step(found, { cancelRequested: true });
    return undefined;
  }

  /** Returns the reason if it is refused. */
  run(id: string): ErrorReason | undefined {
    const found = this.find(id);
    if (found === undefined) return "JOB_NOT_FOUND";
    if (found.job.status !== "PENDING") return "JOB_STATE_CONFLICT";
    if (this.isReady(found)) return undefined;
    found.readyAt = this.time;
    this.#step(found, { runAfter: this.now });
    return undefined;
  }

  /** Returns the reason if it is refused. */
  update(id: string, { priority, delayMs, runAfter, payload }: JobUpdate): ErrorReason | undefined {
    const found = this.find(id);
    if (found === undefined) return "JOB_NOT_FOUND";
    const { job } = found;
    if (job.status !== "PENDING") return "JOB_STATE_CONFLICT";
    const inMs = runAfter === undefined ? delayMs : runAfter - this.now;
    const left = job.deliveries === 0 ? found.expiresAt - this.time : Number.POSITIVE_INFINITY;
    if (inMs !== undefined && inMs > 0 && inMs >= left) return "FIELD_INVALID";
    if (inMs !== undefined) {
      found.readyAt = this.time + Math.max(0, inMs);
      job.runAfter = this.now + inMs;
      found.waits = "SCHEDULED";
    }
    if (priority !== undefined) job.priority = priority;
    if (payload !== undefined) job.payload = payload ?? undefined;
    this.#step(found, {});
    return undefined;
  }

  replay(id: string): RowOutcome {
    const found = this.find(id);
    if (found === undefined) return { outcome: "NOT_FOUND" };
    if (found.job.status !== "DEAD") return { outcome: "CONFLICT", status: found.job.status };
    const { unique, queue } = found.job;
    const holder = unique && this.holder(queue, unique.key);
    if (holder !== undefined) return { outcome: "KEY_HELD", by: holder.job.id };
    if (unique !== undefined) found.claim = "HELD";
    const chances = { retryCount: 0, lostLeases: 0, runAfter: this.now, finishedAt: undefined };
    found.readyAt = this.time;
    this.#step(found, { status: "PENDING", ...chances });
    return { outcome: "APPLIED", job: this.read(found) };
  }

  remove(id: string, statuses: readonly JobStatus[]): RowOutcome {
    const found = this.find(id);
    if (found === undefined) return { outcome: "NOT_FOUND" };
    if (!statuses.includes(found.job.status)) return { outcome: "CONFLICT", status: found.job.status };
    this.#delete(found);
    return { outcome: "APPLIED" };
  }

  /** Returns whether it changed the job. */
  act(action: BulkAction, id: string): boolean {
    const found = this.find(id);
    if (found === undefined) return false;
    const { status, cancelRequested } = found.job;
    if (action === "CANCEL") return !cancelRequested && status !== "CANCELED" && this.cancel(id) === undefined;
    const row = action === "REPLAY" ? this.replay(id) : this.remove(id, ["DONE", "CANCELED", "DEAD"]);
    return row.outcome === "APPLIED";
  }

  /** Returns how many jobs it deleted. */
  purge(queue: string): number {
    const waiting = this.inQueue(queue, "PENDING");
    for (const found of waiting) this.#delete(found);
    return waiting.length;
  }

  /** Cancels the jobs that have expired; returns them. */
  expire(): ModelJob[] {
    const late = this.all.filter(({ job, gone, expiresAt }) => {
      return !gone && job.status === "PENDING" && job.deliveries === 0 && expiresAt <= this.time;
    });
    for (const found of late) {
      found.job.error = "expired before it ran";
      this.#finish(found, "CANCELED");
    }
    return late;
  }

  /** Ends the leases that have expired. */
  tick(): LostLease[] {
    const late = this.all.filter(({ job, gone, leaseUntil }) => {
      return !gone && job.status === "RUNNING" && leaseUntil <= this.time;
    });
    return late.map((found) => {
      const { id, queue, type, deliveries, worker } = found.job;
      found.token = found.settledToken = undefined;
      this.#lose(found);
      return { jobId: id, queue, type, status: found.job.status, deliveries, worker };
    });
  }

  /**
   * Whether a finished job is too old, or not among the latest of its queue. Of jobs that finished at the same time,
   * any may count as the latest.
   */
  mayForget(found: ModelJob): boolean {
    const { job, gone, finishedAt } = found;
    if (!gone && job.status === "DEAD") return this.#mayDeleteDead(found);
    if (gone || (job.status !== "DONE" && job.status !== "CANCELED")) return false;
    const all = this.#finished();
    // What a hold keeps goes for bytes only.
    if (isKept(found)) return bytesOf(all) > this.#options.maxCompletedBytes * 0.5;
    const later = all.filter((each) => !isKept(each) && each.finishedAt >= finishedAt);
    const { completeJobTtlMs, maxCompletedJobs, maxCompletedBytes } = this.#limitsOf(job.queue);
    const isGrowing = all.some((each) => each.job.queue === job.queue && each.finishedAt === this.time);
    return (
      finishedAt + completeJobTtlMs <= this.time ||
      later.filter((each) => each.job.queue === job.queue).length - 1 >= maxCompletedJobs ||
      // A backend makes a sixteenth of the bytes free, may be a fifth off, and may take what is too much of several that finished at
      // once from one queue, with what finishes there meanwhile.
      bytesOf(isGrowing ? all : [...later, ...all.filter(isKept)]) > maxCompletedBytes * 0.5
    );
  }

  /** Whether a tick has kept finished jobs that it should have forgotten. */
  keepsTooMuch(queue: string): boolean {
    const all = this.inQueue(queue, "DONE", "CANCELED");
    const finished = all.filter((each) => !isKept(each));
    const dead = this.inQueue(queue, "DEAD");
    const { completeJobTtlMs, maxCompletedJobs, maxCompletedBytes, maxDead, deadTtlMs } = this.#limitsOf(queue);
    const first = dead.toSorted(compareDeath)[0];
    return (
      dead.length > maxDead ||
      (first !== undefined && first.finishedAt + deadTtlMs <= this.time) ||
      finished.length > maxCompletedJobs ||
      bytesOf(all) > maxCompletedBytes * 1.2 ||
      finished.some(({ finishedAt }) => finishedAt + completeJobTtlMs <= this.time)
    );
  }

  /** Forgets a job that may be forgotten; the deletion of a DEAD one is a change. */
  forget(found: ModelJob): void {
    if (found.job.status === "DEAD") this.#delete(found);
    else found.gone = true;
  }

  /** Of those that died at the same time by the wall clock, any may count as the later. */
  #mayDeleteDead({ job, finishedAt }: ModelJob): boolean {
    const { maxDead, deadTtlMs } = this.#limitsOf(job.queue);
    const died = job.finishedAt ?? 0;
    const later = this.inQueue(job.queue, "DEAD").filter((each) => (each.job.finishedAt ?? 0) >= died);
    return later.length > maxDead || finishedAt + deadTtlMs <= this.time;
  }

  #given(queue: string, open: number): Partial<Job> {
    const settings = this.queues.get(queue)?.settings;
    const given: { -readonly [K in keyof Job]?: Job[K] } = {};
    if (open % 2 === 1 && typeof settings?.defaultMaxRetries === "number")
      given.maxRetries = settings.defaultMaxRetries;
    if (open % 4 > 1 && settings?.defaultBackoff) given.backoff = settings.defaultBackoff;
    if (open % 8 > 3 && typeof settings?.defaultTimeoutMs === "number") given.timeoutMs = settings.defaultTimeoutMs;
    return given;
  }

  #limitsOf(queue: string) {
    const { completedTtlMs, maxCompleted, deadTtlMs, maxDead } = this.queues.get(queue)?.settings ?? {};
    return {
      completeJobTtlMs: completedTtlMs ?? this.#options.completeJobTtlMs,
      maxCompletedJobs: maxCompleted ?? this.#options.maxCompletedJobs,
      maxCompletedBytes: this.#options.maxCompletedBytes,
      deadTtlMs: deadTtlMs ?? Number.POSITIVE_INFINITY,
      maxDead: maxDead ?? Number.POSITIVE_INFINITY,
    };
  }

  stats(queue: string): QueueStats {
    const pending = this.inQueue(queue, "PENDING");
    const ready = pending.filter((each) => this.isReady(each));
    const waiting = pending.filter((each) => !this.isReady(each));
    const limited = ready.filter((each) => this.limitOf(each) !== undefined);
    const oldest = Math.min(...ready.map(({ job }) => job.runAfter));
    return {
      ready: ready.length - limited.length,
      scheduled: waiting.filter(({ waits }) => waits === "SCHEDULED").length,
      retrying: waiting.filter(({ waits }) => waits === "RETRYING").length,
      limited: limited.length,
      running: this.inQueue(queue, "RUNNING").length,
      dead: this.inQueue(queue, "DEAD").length,
      done: this.inQueue(queue, "DONE").length,
      oldestReadyAgeMs: ready.length === 0 ? undefined : Math.max(0, this.now - oldest),
      completed: this.completed.get(queue) ?? 0,
      readyTypes: [...new Set(ready.map(({ job }) => job.type))].sort(),
    };
  }

  #finished(): ModelJob[] {
    return [...this.queues.keys()].flatMap((queue) => this.inQueue(queue, "DONE", "CANCELED"));
  }

  isReady({ readyAt }: ModelJob): boolean {
    return readyAt <= this.time;
  }

  /** The limit that holds it back once it is ready. */
  limitOf({ job }: ModelJob): HeldBy | undefined {
    const { maxConcurrency = 0 } = this.queues.get(job.queue)?.settings ?? {};
    if (this.slotAt(job.queue) !== undefined) return "RATE_LIMIT";
    const isUsedUp = maxConcurrency > 0 && this.inQueue(job.queue, "RUNNING").length >= maxConcurrency;
    if (isUsedUp) return "MAX_CONCURRENCY";
    return this.fullKeys(job.queue).has(job.key) ? "MAX_CONCURRENCY_PER_KEY" : undefined;
  }

  pendingStateOf(id: string): PendingState | undefined {
    const found = this.find(id);
    return found && this.read(found).pendingState;
  }

  /** The job as it is read now. */
  read(found: ModelJob): Job {
    const { job, waits } = found;
    if (job.status !== "PENDING") return job;
    if (!this.isReady(found)) return { ...job, pendingState: waits, heldBy: undefined };
    const limit = this.limitOf(found);
    const isPaused = this.queues.get(job.queue)?.paused;
    return { ...job, pendingState: limit ? "LIMITED" : "READY", heldBy: isPaused ? "PAUSED" : limit };
  }

  #requested(queue: string, requestId: string): Requested | undefined {
    const met = this.#meetings.find(
      (each) => each.queue === queue && each.requestId === requestId && each.until > this.time,
    );
    if (met !== undefined) return met;
    const found = this.all.find(({ job, gone, requestId: own, createdAt }) => {
      const isFresh = this.time < createdAt + REQUEST_ID_TTL_MS;
      return own === requestId && job.queue === queue && (isFresh || (!gone && !isAutomatic(requestId)));
    });
    return found && { id: found.job.id, digest: found.digest };
  }

  #settle(kind: string, { jobId, token }: LeaseRef, apply: (found: ModelJob) => void): Settlement {
    const found = this.find(jobId);
    if (found === undefined) return { outcome: "LEASE_LOST" };
    const { job } = found;
    if (found.token !== token) {
      if (job.status === "CANCELED") return { outcome: "CANCELED" };
      const isRepeat = found.settledToken === token && found.settledBy === kind;
      return { outcome: isRepeat ? "ALREADY_APPLIED" : "LEASE_LOST" };
    }
    found.token = undefined;
    found.settledToken = token;
    found.settledBy = kind;
    apply(found);
    const durationMs = this.time - found.startedAt;
    const applied = { queue: job.queue, type: job.type, status: job.status, durationMs };
    return { outcome: job.status === "CANCELED" ? "CANCELED" : "APPLIED", applied };
  }

  #lose(found: ModelJob): void {
    const { job } = found;
    job.lostLeases++;
    this.#noteError(found, LOST);
    if (!job.cancelRequested && job.lostLeases > this.#options.maxLostLeases) {
      this.#die(found);
    } else this.#requeue(found);
  }

  #requeue(found: ModelJob): void {
    if (found.job.cancelRequested) this.#finish(found, "CANCELED");
    else this.#step(found, { status: "PENDING" });
  }

  #finish(found: ModelJob, status: "DONE" | "CANCELED"): void {
    found.finishedAt = this.time;
    if (status === "DONE") this.#loosen(found);
    else found.claim = "NONE";
    this.#step(found, { status, finishedAt: this.#stamp(found), cancelRequested: false });
  }

  #die(found: ModelJob): void {
    found.finishedAt = this.time;
    found.claim = "NONE";
    this.#step(found, { status: "DEAD", finishedAt: this.#stamp(found) });
  }

  #noteError(found: ModelJob, error: string): void {
    const { job } = found;
    const entry = { at: this.#stamp(found), error, delivery: job.deliveries, worker: job.worker };
    job.error = error;
    job.attemptErrors = [...job.attemptErrors, entry].slice(-10);
  }

  /** Only its hold is a reason for it to hold its unique key from now on. */
  #loosen(found: ModelJob): void {
    if (found.claim !== "NONE") found.claim = found.holdUntil > this.time ? "REST" : "NONE";
  }

  #delete(found: ModelJob): void {
    found.gone = true;
    this.#step(found, {});
    found.history[found.history.length - 1] = { ...changeOf(found.job), deleted: true };
  }

  /** The stamps of a job never fall, though the wall clock does. */
  #stamp({ job }: ModelJob): number {
    return Math.max(this.now, job.updatedAt);
  }

  #step(found: ModelJob, changed: Partial<Job>): void {
    Object.assign(found.job, changed, { revision: found.job.revision + 1, updatedAt: this.#stamp(found) });
    found.history.push(changeOf(found.job));
    this.#see();
  }
}

function compareDeath(a: ModelJob, b: ModelJob): number {
  const [x, y] = [BigInt(numberOf(a.job.id)), BigInt(numberOf(b.job.id))];
  return (a.job.finishedAt ?? 0) - (b.job.finishedAt ?? 0) || (x < y ? -1 : 1);
}

/** Whether a hold keeps it, whatever its age and their number. */
export function isKept({ job, claim }: ModelJob): boolean {
  return job.status === "DONE" && claim === "REST";
}

function bytesOf(jobs: readonly ModelJob[]): number {
  return jobs.reduce((sum, { job }) => sum + jobBytes(job), 0);
}

function readyKey({ id, priority, runAfter, createdAt }: Job): ReadyKey {
  return { priority, runAfter, createdAt, number: numberOf(id) };
}
