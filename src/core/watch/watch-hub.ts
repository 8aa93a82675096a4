import { isUnavailable, serverDraining } from "../../model/errors.js";
import type { Queue } from "../../model/queue.js";
import type { Backend, ChangeBatch, ChangeFilter } from "../backend.js";
import type { Clock } from "../clock.js";
import { Waker } from "../waker.js";
import type { Feed } from "./feed.js";
import { Heartbeats } from "./heartbeats.js";
import { JobLoader } from "./job-loader.js";
import { JobWatcher, JobWatcherGroup, type JobWatcherGroupDeps } from "./job-watcher-group.js";
import { JobsWatcher } from "./jobs-watcher.js";
import { LiveChanges } from "./live-changes.js";
import { LogPages } from "./log-pages.js";
import { AWAY_MS, HEARTBEAT_MS, type JobEvent, type JobsEvent, type WatchEvent } from "./watch-events.js";

/** The result of a read while the backend is unreachable. */
const AWAY = Symbol("away");

/**
 * Serves all watches: of one job, of the change log, and of queues. For a watched job it keeps the last state given and
 * at most 64 changes since; for a watcher of the log, a position and at most one page. Watchers of the log that are up to
 * date are handed what comes, one event for all with the same filter. A watcher is given more when it asks, so a slow one
 * delays nobody and holds a bounded amount of memory: it then reads from the stored job or from the change log.
 */
export class WatchHub {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #groups = new Map<string, JobWatcherGroup>();
  readonly #groupDeps: JobWatcherGroupDeps;
  readonly #pages: LogPages;
  readonly #live: LiveChanges;
  readonly #logReaders = new Set<JobsWatcher>();
  /** Those of them that have read the log to its end, and are not handed what comes. */
  readonly #atEnd = new Set<JobsWatcher>();
  readonly #logHeartbeats: Heartbeats<JobsWatcher>;
  readonly #queueReaders = new Set<Waker>();
  /** Ends each watch of queues. Not one shared signal, because that is slow with thousands of listeners. */
  readonly #enders = new Set<() => void>();
  #isStopped = false;

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
    this.#pages = new LogPages(backend);
    this.#live = new LiveChanges((queues) => backend.told(queues));
    this.#groupDeps = {
      ...{ backend, clock },
      loader: new JobLoader(backend),
      heartbeats: new Heartbeats<JobWatcher>(clock, HEARTBEAT_MS),
      abandoned: (id) => this.#groups.delete(id),
    };
    this.#logHeartbeats = new Heartbeats(clock, HEARTBEAT_MS);
  }

  /** Takes changes that were appended to the log. */
  changed(batch: ChangeBatch): void {
    this.#pages.changed();
    this.#live.changed(batch);
    this.#wakeLogReaders();
    this.queuesChanged();
    if (this.#groups.size === 0) return;
    for (const change of batch.changes) this.#groups.get(change.jobId)?.changed(change);
  }

  /** Call when queues or their job counts have changed. */
  queuesChanged(): void {
    for (const waker of this.#queueReaders) waker.wake();
  }

  /** Call before changes may come late or not at all: those who are handed them read the log for a while. */
  interrupted(): void {
    this.#pages.changed();
    this.#live.interrupted();
  }

  /** Call when changes may have been missed: every watch reads the current state. */
  resync(): void {
    this.#pages.changed();
    this.#wakeLogReaders();
    this.queuesChanged();
    for (const group of this.#groups.values()) group.resync();
  }

  /** Ends all watches with SERVER_DRAINING and refuses new ones. */
  stop(): void {
    this.#isStopped = true;
    for (const end of this.#enders) end();
    for (const group of [...this.#groups.values()]) group.end(serverDraining);
    for (const { feed } of [...this.#logReaders]) feed.end({ cause: serverDraining() });
  }

  /** Watches a job: a heartbeat, the job, then each new state, until it is final or deleted. JOB_NOT_FOUND. */
  watchJob(id: string, signal?: AbortSignal): Feed<JobEvent> {
    return leaveOn(signal, new JobWatcher(() => this.#open(id)));
  }

  /**
   * Watches the change log: a heartbeat, then each matching change after `cursor` (default: from now on). Fails with
   * WATCH_COMPACTED, with FIELD_INVALID for a bad cursor, or with what `admit` rejects with; that is called first.
   */
  watchJobs(
    filter: ChangeFilter,
    cursor: string | undefined,
    signal?: AbortSignal,
    admit?: () => Promise<void>,
  ): Feed<JobsEvent> {
    const readers = {
      add: (reader: JobsWatcher) => {
        this.#refuseIfStopped();
        this.#logReaders.add(reader);
      },
      delete: (reader: JobsWatcher) => this.#logReaders.delete(reader),
    };
    const deps = {
      ...{ pages: this.#pages, live: this.#live, readers, atEnd: this.#atEnd },
      ...{ admit, clock: this.#clock, heartbeats: this.#logHeartbeats },
    };
    return leaveOn(signal, new JobsWatcher(filter, cursor, deps));
  }

  /** Watches queues: a heartbeat, their snapshot, and a new one after changes, at most once in `minIntervalMs` ms. */
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
      let heartbeatAt = this.#clock.monotonic() + HEARTBEAT_MS;
      for (;;) {
        const isAway = queues === AWAY;
        if (queues !== AWAY) yield { kind: "event", at: this.#clock.now(), queues };
        else if (this.#clock.monotonic() >= heartbeatAt) yield { kind: "heartbeat", at: this.#clock.now() };
        if (!isAway || this.#clock.monotonic() >= heartbeatAt) heartbeatAt = this.#clock.monotonic() + HEARTBEAT_MS;
        const openAt = this.#clock.monotonic() + minIntervalMs;
        for (let isChanged = false; !isChanged; ) {
          const now = this.#clock.monotonic();
          if (now < openAt) await pause.wait(this.#clock, Math.min(openAt, heartbeatAt) - now, stop.signal);
          else if (!isAway) isChanged = await waker.wait(this.#clock, heartbeatAt - now, stop.signal);
          else {
            await waker.wait(this.#clock, Math.min(AWAY_MS, heartbeatAt - now), stop.signal);
            isChanged = true;
          }
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

  /** Reads from the backend. Resolves to AWAY while that is unreachable; the first read of a watch rejects instead. */
  async #read<T>(read: () => Promise<T>, isFirst: boolean): Promise<T | typeof AWAY> {
    try {
      return await read();
    } catch (error) {
      if (isFirst || !isUnavailable(error)) throw error;
      return AWAY;
    }
  }

  /** Whether the reader of a watch has left. Throws SERVER_DRAINING if the server has ended it. */
  #ended(signal: AbortSignal): boolean {
    if (signal.aborted) return true;
    this.#refuseIfStopped();
    return false;
  }

  /** Returns a signal aborted when the reader leaves or the server ends all watches. Call `release` at the end. */
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

  #wakeLogReaders(): void {
    if (this.#atEnd.size === 0) return;
    const readers = [...this.#atEnd];
    this.#atEnd.clear();
    for (const reader of readers) reader.changed();
  }

  #open(id: string): JobWatcherGroup {
    this.#refuseIfStopped();
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = new JobWatcherGroup(id, this.#groupDeps);
      this.#groups.set(id, group);
    }
    return group;
  }

  #refuseIfStopped(): void {
    if (this.#isStopped) throw serverDraining();
  }
}

/** Returns the feed of a watcher, closed when the signal is aborted. */
function leaveOn<T>(signal: AbortSignal | undefined, { feed }: { readonly feed: Feed<T> }): Feed<T> {
  if (signal !== undefined) feed.leaveOn(signal);
  return feed;
}
