import { isUnavailable, serverDraining } from "../model/errors.js";
import type { Queue } from "../model/queue.js";
import type { Backend, ChangeBatch, ChangeFilter } from "./backend.js";
import type { Clock } from "./clock.js";
import type { Feed } from "./feed.js";
import { Heartbeats } from "./heartbeats.js";
import { JobReads } from "./job-reads.js";
import { JobTopic, type JobTopicDeps, JobWatcher } from "./job-topic.js";
import { LogPages, LogReader } from "./log-reader.js";
import { Waker } from "./waker.js";
import { AWAY_MS, HEARTBEAT_MS, type JobEvent, type JobsEvent, type WatchEvent } from "./watch-events.js";

/** What a read answers while the backend is away. */
const AWAY = Symbol("away");

/**
 * Feeds watchers. It keeps nothing but who watches what: a reader takes what it needs when it is ready for it, from the
 * record of its job or from the change log, so that a slow one costs nothing and slows nobody.
 */
export class WatchHub {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #topics = new Map<string, JobTopic>();
  readonly #topicDeps: JobTopicDeps;
  readonly #pages: LogPages;
  readonly #logReaders = new Set<LogReader>();
  readonly #logHeartbeats: Heartbeats<LogReader>;
  readonly #queueReaders = new Set<Waker>();
  /** What ends each watch of queues; not one signal for all, which is slow with thousands of listeners. */
  readonly #enders = new Set<() => void>();
  #isStopped = false;

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
    this.#pages = new LogPages(backend);
    this.#topicDeps = {
      ...{ backend, clock },
      reads: new JobReads(backend),
      heartbeats: new Heartbeats<JobWatcher>(clock, HEARTBEAT_MS),
      abandoned: (id) => this.#topics.delete(id),
    };
    this.#logHeartbeats = new Heartbeats(clock, HEARTBEAT_MS);
  }

  /** Changes were appended to the log. */
  changed(batch: ChangeBatch): void {
    this.#wakeLogReaders();
    this.queuesChanged();
    if (this.#topics.size === 0) return;
    for (const change of batch.changes) this.#topics.get(change.jobId)?.changed(change);
  }

  /** Queues, or their figures, changed. */
  queuesChanged(): void {
    for (const waker of this.#queueReaders) waker.wake();
  }

  /** Changes may have been missed: every watch looks for itself. */
  resync(): void {
    this.#wakeLogReaders();
    this.queuesChanged();
    for (const topic of this.#topics.values()) topic.resync();
  }

  /** Ends every watch with SERVER_DRAINING, and refuses new ones. */
  stop(): void {
    this.#isStopped = true;
    for (const end of this.#enders) end();
    for (const topic of [...this.#topics.values()]) topic.end(serverDraining);
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
      add: (reader: LogReader) => {
        this.#refuseIfStopped();
        this.#logReaders.add(reader);
      },
      delete: (reader: LogReader) => this.#logReaders.delete(reader),
    };
    const deps = { pages: this.#pages, readers, admit, clock: this.#clock, heartbeats: this.#logHeartbeats };
    return leaveOn(signal, new LogReader(filter, cursor, deps));
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

  #open(id: string): JobTopic {
    this.#refuseIfStopped();
    let topic = this.#topics.get(id);
    if (topic === undefined) {
      topic = new JobTopic(id, this.#topicDeps);
      this.#topics.set(id, topic);
    }
    return topic;
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
