import type { Backend, Change, ChangeBatch, ChangeFilter } from "./backend.js";
import type { Clock } from "./clock.js";
import { isUnavailable, jobNotFound, serverDraining } from "./errors.js";
import { isFinal, type Job } from "./job.js";
import type { Queue } from "./queue.js";
import { Waker } from "./waker.js";

/** A heartbeat goes out after this much silence, ms. */
const HEARTBEAT_MS = 15_000;

/** Changes one WatchJob reader may be behind before it gets the latest state only. */
const MAX_BEHIND = 64;

/** Changes read from the log at once. */
const READ_BATCH = 512;

/** Wait before a backend that is away is asked again, ms. Watches outlive it. */
const AWAY_MS = 1000;

/** What a read answers while the backend is away. */
const AWAY = Symbol("away");

/** One message of a watch: a heartbeat, or something new. */
export type WatchEvent<T> = { readonly kind: "heartbeat"; readonly at: number } | ({ readonly kind: "event" } & T);

/** A message of `watchJobs`: `cursor` is the position after it. */
export type JobsEvent = WatchEvent<{ readonly change: Change }> & { readonly cursor: string };

interface JobWatcher {
  pending: Change[];
  /** Whether changes may have been missed: the job must be read again. */
  isStale: boolean;
  readonly waker: Waker;
}

/**
 * Feeds watchers. It keeps nothing but who watches what: a reader takes what it needs when it is ready for it, from the
 * record of its job or from the change log, so that a slow one costs nothing and slows nobody.
 */
export class WatchHub {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #jobs = new Map<string, Set<JobWatcher>>();
  readonly #logReaders = new Set<Waker>();
  readonly #queueReaders = new Set<Waker>();
  /** What ends each watch; not one signal for all, which is slow with thousands of listeners. */
  readonly #enders = new Set<() => void>();
  #isStopped = false;

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** Changes were appended to the log. */
  changed(batch: ChangeBatch): void {
    for (const waker of this.#logReaders) waker.wake();
    this.queuesChanged();
    if (this.#jobs.size === 0) return;
    for (const change of batch.changes) {
      for (const watcher of this.#jobs.get(change.jobId) ?? []) {
        if (watcher.pending.length === MAX_BEHIND) watcher.pending = [];
        watcher.pending.push(change);
        watcher.waker.wake();
      }
    }
  }

  /** Queues, or their figures, changed. */
  queuesChanged(): void {
    for (const waker of this.#queueReaders) waker.wake();
  }

  /** Changes may have been missed: every watch looks for itself. */
  resync(): void {
    for (const waker of this.#logReaders) waker.wake();
    this.queuesChanged();
    for (const watchers of this.#jobs.values()) {
      for (const watcher of watchers) {
        watcher.isStale = true;
        watcher.waker.wake();
      }
    }
  }

  /** Ends every watch with SERVER_DRAINING, and refuses new ones. */
  stop(): void {
    this.#isStopped = true;
    for (const end of this.#enders) end();
  }

  /** A heartbeat, the job now, then its changes; ends after a final state or its deletion. JOB_NOT_FOUND. */
  async *watchJob(id: string, signal: AbortSignal): AsyncGenerator<WatchEvent<{ readonly job: Job }>> {
    const watcher: JobWatcher = { pending: [], isStale: false, waker: new Waker() };
    const stop = this.#whenEither(signal);
    const watchers = this.#jobs.get(id) ?? new Set();
    this.#jobs.set(id, watchers.add(watcher));
    try {
      let seen: Job | undefined;
      let sentAt = this.#clock.monotonic();
      for (;;) {
        watcher.isStale = false;
        const read = await this.#read(() => this.#backend.get([id], seen?.queue), seen === undefined);
        if (read === AWAY) {
          await watcher.waker.wait(this.#clock, AWAY_MS, stop.signal);
          if (this.#ended(signal)) return;
          if (this.#clock.monotonic() - sentAt >= HEARTBEAT_MS) {
            yield { kind: "heartbeat", at: this.#clock.now() };
            sentAt = this.#clock.monotonic();
          }
          continue;
        }
        const [job] = read;
        // Looked at after the job was read: when it is gone by then, only they tell how it ended.
        const [from, to] = [seen?.revision ?? 0, job?.revision ?? Number.POSITIVE_INFINITY];
        const changes = watcher.pending.filter(({ revision }) => revision > from && revision <= to);
        watcher.pending = watcher.pending.filter(({ revision }) => revision > to);
        if (seen === undefined) {
          if (job === undefined) throw jobNotFound(id);
          yield { kind: "heartbeat", at: this.#clock.now() };
          yield { kind: "event", job };
          seen = job;
        } else {
          for (const state of story(seen, changes, job)) {
            yield { kind: "event", job: state };
            seen = state;
            if (isFinal(state.status)) break;
          }
        }
        if (isFinal(seen.status) || changes.some((change) => change.deleted)) return;
        sentAt = this.#clock.monotonic();
        while (watcher.pending.length === 0 && !watcher.isStale) {
          if (!(await watcher.waker.wait(this.#clock, HEARTBEAT_MS, stop.signal))) {
            // A job that is gone has changes on the way that say so; without them there is nothing to wait for.
            if (this.#ended(signal) || job === undefined) return;
            yield { kind: "heartbeat", at: this.#clock.now() };
          }
        }
      }
    } finally {
      stop.release();
      watchers.delete(watcher);
      if (watchers.size === 0) this.#jobs.delete(id);
    }
  }

  /** A heartbeat, then each change that matches, after `cursor` or from now on. WATCH_COMPACTED, FIELD_INVALID. */
  async *watchJobs(filter: ChangeFilter, cursor: string | undefined, signal: AbortSignal): AsyncGenerator<JobsEvent> {
    const waker = new Waker();
    const stop = this.#whenEither(signal);
    this.#logReaders.add(waker);
    try {
      let position = cursor ?? (await this.#backend.head());
      let silentSince = Number.NEGATIVE_INFINITY;
      for (;;) {
        const isFirst = silentSince === Number.NEGATIVE_INFINITY;
        const from = position;
        const page = await this.#read(() => this.#backend.read(from, READ_BATCH, filter), isFirst);
        const entries = page === AWAY ? [] : page.entries;
        let idleMs = this.#clock.monotonic() - silentSince;
        if (idleMs >= HEARTBEAT_MS) yield { kind: "heartbeat", at: this.#clock.now(), cursor: position };
        for (const entry of entries) yield { kind: "event", ...entry };
        if (page !== AWAY) position = page.next;
        if (idleMs >= HEARTBEAT_MS || entries.length > 0) {
          silentSince = this.#clock.monotonic();
          idleMs = 0;
        }
        if (this.#ended(signal)) return;
        const waitMs = page === AWAY ? Math.min(AWAY_MS, HEARTBEAT_MS - idleMs) : HEARTBEAT_MS - idleMs;
        if (page === AWAY || !page.more) await waker.wait(this.#clock, waitMs, stop.signal);
      }
    } finally {
      stop.release();
      this.#logReaders.delete(waker);
    }
  }

  /** A heartbeat, the queues now, then again whenever something changed, at most once in `minIntervalMs`. */
  async *watchQueues(
    names: readonly string[] | undefined,
    minIntervalMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<{ readonly at: number; readonly queues: readonly Queue[] }>> {
    const waker = new Waker();
    const pause = new Waker();
    const stop = this.#whenEither(signal);
    this.#queueReaders.add(waker);
    try {
      let queues = await this.#read(() => this.#backend.queues(names), true);
      yield { kind: "heartbeat", at: this.#clock.now() };
      for (;;) {
        if (queues !== AWAY) yield { kind: "event", at: this.#clock.now(), queues };
        const openAt = this.#clock.monotonic() + minIntervalMs;
        let heartbeatAt = this.#clock.monotonic() + HEARTBEAT_MS;
        for (let isChanged = false; !isChanged; ) {
          const now = this.#clock.monotonic();
          if (now < openAt) await pause.wait(this.#clock, Math.min(openAt, heartbeatAt) - now, stop.signal);
          else isChanged = await waker.wait(this.#clock, heartbeatAt - now, stop.signal);
          if (this.#ended(signal)) return;
          if (isChanged || this.#clock.monotonic() < heartbeatAt) continue;
          yield { kind: "heartbeat", at: this.#clock.now() };
          heartbeatAt = this.#clock.monotonic() + HEARTBEAT_MS;
        }
        queues = await this.#read(() => this.#backend.queues(names), false);
      }
    } finally {
      stop.release();
      this.#queueReaders.delete(waker);
    }
  }

  /** Reads from the backend; AWAY while that is away, but for the first read of a watch. */
  async #read<T>(read: () => Promise<T>, isFirst: boolean): Promise<T | typeof AWAY> {
    try {
      return await read();
    } catch (error) {
      if (isFirst || !isUnavailable(error)) throw error;
      return AWAY;
    }
  }

  /** Whether a watch is over: false, true when its reader left, SERVER_DRAINING when the server ends it. */
  #ended(signal: AbortSignal): boolean {
    if (signal.aborted) return true;
    if (this.#isStopped) throw serverDraining();
    return false;
  }

  /** A signal that is aborted when the reader leaves or the server ends its watches. */
  #whenEither(signal: AbortSignal): { readonly signal: AbortSignal; release(): void } {
    this.#ended(signal);
    const either = new AbortController();
    const abort = () => either.abort();
    signal.addEventListener("abort", abort);
    this.#enders.add(abort);
    if (signal.aborted) abort();
    return {
      signal: either.signal,
      release: () => {
        signal.removeEventListener("abort", abort);
        this.#enders.delete(abort);
      },
    };
  }
}

/**
 * The states a watcher has not seen: the changes since `seen`, then the job as it is now. A job that is gone by now (it
 * finished and was forgotten, or was deleted) is told from the changes alone.
 */
function* story(seen: Job, changes: readonly Change[], now: Job | undefined): Generator<Job> {
  const base = now ?? seen;
  for (const change of changes) {
    if (change.deleted || (now !== undefined && change.revision >= now.revision)) continue;
    const { status, revision, retryCount, deliveries, lostLeases, error, progress, cancelRequested, worker } = change;
    const { updatedAt, runAfter, startedAt, finishedAt } = change;
    yield {
      ...base,
      ...{ status, revision, retryCount, deliveries, lostLeases, error, progress, cancelRequested, worker },
      ...{ updatedAt, runAfter, startedAt, finishedAt },
      // An attempt has its error from its end on.
      attemptErrors: base.attemptErrors.filter(
        (entry) => entry.delivery < deliveries || (entry.delivery === deliveries && status !== "RUNNING"),
      ),
      // A change has the beginning of the text only.
      error: base.error.startsWith(error) && error !== "" ? base.error : error,
      result: undefined,
    };
  }
  if (now !== undefined && now.revision > seen.revision) yield now;
}
