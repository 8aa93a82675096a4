import { serverDraining } from "../../model/errors.js";
import type { Backend } from "../backend.js";
import type { Clock } from "../clock.js";
import type { ChangeBatch, ChangeFilter } from "../port/changes.js";
import type { Feed } from "./feed.js";
import { Heartbeats } from "./heartbeats.js";
import { JobLoader } from "./job-loader.js";
import { JobWatcher, JobWatcherGroup, type JobWatcherGroupDeps } from "./job-watcher-group.js";
import { JobsWatcher } from "./jobs-watcher.js";
import { LiveChanges } from "./live-changes.js";
import { LogPages } from "./log-pages.js";
import { QueueFigures } from "./queue-figures.js";
import { QueuesWatcher, type QueuesWatchOptions } from "./queues-watcher.js";
import { HEARTBEAT_MS, type JobEvent, type JobsEvent, type QueuesWatchEvent } from "./watch-events.js";

/**
 * Serves all watches: of one job, of the change log, and of queues, whose figures are read once for all. For a watched
 * job it keeps the last state given and at most 64 changes since; for a watcher of the log, a position and at most one page. Watchers of
 * the log that are up to date are handed what comes, one event for all with the same filter. A watcher is given more when it asks, so a
 * slow one delays nobody and holds a bounded amount of memory: it then reads from the stored job or from the change log.
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
  readonly #queueReaders = new Set<QueuesWatcher>();
  readonly #figures: QueueFigures;
  /** When the first of the watchers of queues came, ms on the monotonic clock. */
  #epoch = 0;
  /** Whether the backend knows that somebody watches. */
  #isFollowing = false;
  #isStopped = false;

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
    this.#pages = new LogPages(backend);
    this.#live = new LiveChanges((queues) => backend.told(queues));
    this.#figures = new QueueFigures(backend, clock);
    this.#groupDeps = {
      ...{ backend, clock },
      loader: new JobLoader(backend),
      heartbeats: new Heartbeats<JobWatcher>(clock, HEARTBEAT_MS),
      abandoned: (id) => {
        this.#groups.delete(id);
        this.#follow();
      },
    };
    this.#logHeartbeats = new Heartbeats(clock, HEARTBEAT_MS);
  }

  /** Takes changes that were appended to the log. */
  changed(batch: ChangeBatch): void {
    this.#pages.changed();
    this.#live.changed(batch);
    this.#wakeLogReaders();
    this.#figuresChanged(batch);
    if (this.#groups.size === 0) return;
    for (const change of batch.changes) this.#groups.get(change.jobId)?.changed(change);
  }

  /** Call when a queue or its job counts have changed, or any queue. */
  queuesChanged(queue?: string): void {
    this.#figures.changed(queue);
    for (const reader of this.#queueReaders) reader.changed(queue);
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
    for (const { feed } of [...this.#queueReaders]) feed.end({ cause: serverDraining() });
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
        this.#follow();
      },
      delete: (reader: JobsWatcher) => {
        this.#logReaders.delete(reader);
        this.#follow();
      },
    };
    const deps = {
      ...{ pages: this.#pages, live: this.#live, readers, atEnd: this.#atEnd },
      ...{ admit, clock: this.#clock, heartbeats: this.#logHeartbeats },
    };
    return leaveOn(signal, new JobsWatcher(filter, cursor, deps));
  }

  /** Watches queues: a heartbeat, the queues, and their latest figures after changes, at most once in `minIntervalMs` ms. */
  watchQueues(options: QueuesWatchOptions, signal?: AbortSignal): Feed<QueuesWatchEvent> {
    const readers = {
      add: (reader: QueuesWatcher) => {
        this.#refuseIfStopped();
        this.#queueReaders.add(reader);
        this.#follow();
      },
      delete: (reader: QueuesWatcher) => {
        this.#queueReaders.delete(reader);
        this.#follow();
      },
    };
    if (this.#queueReaders.size === 0) this.#epoch = this.#clock.monotonic();
    const deps = { figures: this.#figures, readers, clock: this.#clock, epoch: this.#epoch };
    return leaveOn(signal, new QueuesWatcher(options, deps));
  }

  #figuresChanged(batch: ChangeBatch): void {
    if (this.#queueReaders.size === 0) return;
    const queues = batch.queue === undefined ? new Set(batch.changes.map(({ queue }) => queue)) : [batch.queue];
    for (const queue of queues) this.queuesChanged(queue);
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
      this.#follow();
    }
    return group;
  }

  /** Tells the backend when the first watcher comes, before that reads anything, and when the last one leaves. */
  #follow(): void {
    const isWatched = this.#groups.size + this.#logReaders.size + this.#queueReaders.size > 0;
    if (isWatched === this.#isFollowing) return;
    this.#isFollowing = isWatched;
    this.#backend.follow(isWatched);
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
