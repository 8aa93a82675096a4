import { serverDraining } from "../../model/common/errors.js";
import type { Backend } from "../backend.js";
import type { Clock } from "../clock.js";
import type { ChangeBatch, ChangeFilter, Followed } from "../port/changes.js";
import type { Feed } from "./feed.js";
import { Follows, followedQueues } from "./follows.js";
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
  readonly #clock: Clock;
  readonly #follows: Follows;
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
  #isStopped = false;

  constructor(backend: Backend, clock: Clock) {
    this.#clock = clock;
    this.#follows = new Follows(backend);
    this.#pages = new LogPages(backend);
    this.#live = new LiveChanges((queues) => backend.told(queues));
    this.#figures = new QueueFigures(backend, clock);
    this.#groupDeps = {
      ...{ backend, clock },
      loader: new JobLoader(backend),
      heartbeats: new Heartbeats<JobWatcher>(clock, HEARTBEAT_MS),
      abandoned: (id) => {
        if (this.#groups.delete(id)) this.#follows.remove({ of: "job", id });
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
    const readers = this.#readers(this.#logReaders, followedQueues("changes", filter));
    const deps = {
      ...{ pages: this.#pages, live: this.#live, readers, atEnd: this.#atEnd },
      ...{ admit, clock: this.#clock, heartbeats: this.#logHeartbeats },
    };
    return leaveOn(signal, new JobsWatcher(filter, cursor, deps));
  }

  /** Watches queues: a heartbeat, the queues, and their latest figures after changes, at most once in `minIntervalMs` ms. */
  watchQueues(options: QueuesWatchOptions, signal?: AbortSignal): Feed<QueuesWatchEvent> {
    const { names, within } = options;
    const queues = names && new Set(names);
    const readers = this.#readers(this.#queueReaders, followedQueues("counts", { queues, within }));
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
      this.#follows.add({ of: "job", id });
    }
    return group;
  }

  /** A set that a reader enters before it reads anything: the store is told then what it follows. */
  #readers<R>(readers: Set<R>, followed: readonly Followed[]) {
    return {
      add: (reader: R) => {
        this.#refuseIfStopped();
        readers.add(reader);
        for (const each of followed) this.#follows.add(each);
      },
      delete: (reader: R) => {
        if (readers.delete(reader)) for (const each of followed) this.#follows.remove(each);
      },
    };
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
