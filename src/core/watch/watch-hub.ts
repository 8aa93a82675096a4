import { isUnavailable, serverDraining } from "../../model/errors.js";
import type { Queue } from "../../model/queue.js";
import type { Backend, ChangeBatch, ChangeFilter } from "../backend.js";
import type { Clock } from "../clock.js";
import { Waker } from "../waker.js";
import type { Feed } from "./feed.js";
import { Heartbeats } from "./heartbeats.js";
import { JobLoader } from "./job-loader.js";
import { JobWatcher, JobWatcherGroup, type JobWatcherGroupDeps } from "./job-watcher-group.js";
import { JobsWatcher, LogPages } from "./jobs-watcher.js";
import { AWAY_MS, HEARTBEAT_MS, type JobEvent, type JobsEvent, type WatchEvent } from "./watch-events.js";

/** What a read answers while the backend is away. */
const AWAY = Symbol("away");

/**
 * Feeds watchers. Of a watched job it keeps the state given last and at most 64 changes since; of other watches only a
 * position. A reader takes more when it has room for it, from the record of its job or from the change log, so that a slow
 * one slows nobody and holds a bounded amount of memory.
 */
export class WatchHub {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #groups = new Map<string, JobWatcherGroup>();
  readonly #groupDeps: JobWatcherGroupDeps;
  readonly #pages: LogPages;
  readonly #logReaders = new Set<JobsWatcher>();
  readonly #logHeartbeats: Heartbeats<JobsWatcher>;
  readonly #queueReaders = new Set<Waker>();
  /** What ends each watch of queues; not one signal for all, which is slow with thousands of listeners. */
  readonly #enders = new Set<() => void>();
  #isStopped = false;

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
    this.#pages = new LogPages(backend);
    this.#groupDeps = {
      ...{ backend, clock },
      loader: new JobLoader(backend),
      heartbeats: new Heartbeats<JobWatcher>(clock, HEARTBEAT_MS),
      abandoned: (id) => this.#groups.delete(id),
    };
    this.#logHeartbeats = new Heartbeats(clock, HEARTBEAT_MS);
  }

  /** Changes were appended to the log. */
  changed(batch: ChangeBatch): void {
    this.#wakeLogReaders();
    this.queuesChanged();
    if (this.#groups.size === 0) return;
    for (const change of batch.changes) this.#groups.get(change.jobId)?.changed(change);
  }

  /** Queues, or their figures, changed. */
  queuesChanged(): void {
    for (const waker of this.#queueReaders) waker.wake();
  }

  /** Changes may have been missed: every watch looks for itself. */
  resync(): void {
    this.#wakeLogReaders();
    this.queuesChanged();
    for (const group of this.#groups.values()) group.resync();
  }

  /** Ends every watch with SERVER_DRAINING, and refuses new ones. */
  stop(): void {
    this.#isStopped = true;
    for (const end of this.#enders) end();
    for (const group of [...this.#groups.values()]) group.end(serverDraining);
    for (const { feed } of [...this.#logReaders]) feed.end({ cause: serverDraining() });
  }

  /** A heartbeat, the job now, then its changes; ends after a final state or its deletion. JOB_NOT_FOUND. */
  watchJob(id: string, signal?: AbortSignal): Feed<JobEvent> {
    return leaveOn(signal, new JobWatcher(() => this.#open(id)));
  }

  /**
   * A heartbeat, then each change that matches, after `cursor` or from now on. WATCH_COMPACTED, FIELD_INVALID, and what
   * `admit` refuses it with before it begins.
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
    const deps = { pages: this.#pages, readers, admit, clock: this.#clock, heartbeats: this.#logHeartbeats };
    return leaveOn(signal, new JobsWatcher(filter, cursor, deps));
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
    this.#refuseIfStopped();
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

  #wakeLogReaders(): void {
    this.#pages.changed();
    for (const reader of this.#logReaders) reader.changed();
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

/** The feed of a watch, whose reader leaves when the signal is aborted. */
function leaveOn<T>(signal: AbortSignal | undefined, { feed }: { readonly feed: Feed<T> }): Feed<T> {
  if (signal !== undefined) feed.leaveOn(signal);
  return feed;
}
