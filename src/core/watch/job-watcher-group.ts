import { isUnavailable, jobNotFound } from "../../model/errors.js";
import { isFinal, type Job } from "../../model/job.js";
import type { Backend, Change } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import { Feed, type FeedSource } from "./feed.js";
import type { HeartbeatMember, Heartbeats } from "./heartbeats.js";
import type { JobLoader, JobReader } from "./job-loader.js";
import { afterChange, statesSince } from "./states-since.js";
import { AWAY_MS, type JobEvent } from "./watch-events.js";

/** Changes one reader may be behind before it gets the latest state only. */
const MAX_BEHIND = 64;

/** One reader of a job. */
export class JobWatcher implements FeedSource, HeartbeatMember {
  readonly feed = new Feed<JobEvent>(this);
  readonly #open: () => JobWatcherGroup;
  #group: JobWatcherGroup | undefined;
  /** Of the last state it was given; 0 before the first. */
  #revision = 0;
  heardAt = 0;
  /** Whether it was given its first state; until then, it reads the job for itself. */
  isJoined = false;

  /** `open` answers the group of the job, or throws SERVER_DRAINING. */
  constructor(open: () => JobWatcherGroup) {
    this.#open = open;
  }

  started(): void {
    try {
      this.#group = this.#open();
    } catch (error) {
      this.feed.end({ cause: error });
      return;
    }
    void this.#group.join(this);
  }

  wanted(): void {
    this.#group?.refresh();
  }

  ended(): void {
    this.#group?.leave(this);
  }

  /** Gives it a state, if it has not seen that. */
  give(event: JobEvent & { kind: "event" }): void {
    if (!this.isJoined || event.job.revision <= this.#revision) return;
    this.#revision = event.job.revision;
    if (this.feed.size >= MAX_BEHIND) this.feed.clear();
    this.feed.push(event);
  }

  /** It has been silent for a while. */
  beat(at: number): void {
    // A job that is gone has changes on the way that say so; without them there is nothing to wait for.
    if (this.#group?.isGone) this.feed.end();
    else if (this.feed.size === 0) this.feed.push({ kind: "heartbeat", at });
  }
}

/** What a group is made of. */
export interface JobWatcherGroupDeps {
  readonly loader: JobLoader;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly heartbeats: Heartbeats<JobWatcher>;
  /** Told when nobody watches any more. */
  readonly abandoned: (id: string) => void;
}

type State = "IDLE" | "READING" | "GIVING";

/**
 * A job that is watched. It is read once for all its watchers, when something changed and one of them waits for it; a slow
 * watcher holds at most `MAX_BEHIND` states and slows nobody. The group keeps the state that all watchers were given last,
 * and up to `MAX_BEHIND` changes since.
 *
 * | state   | what happens                                                           | moves to                         |
 * |---------|------------------------------------------------------------------------|----------------------------------|
 * | IDLE    | nothing: there is no news, or no watcher waits                         | READING, GIVING: `refresh`       |
 * | READING | the job is being read, as its changes do not say enough                | IDLE: it was read, or failed     |
 * | GIVING  | watchers are given a state; what they ask for meanwhile cannot overtake | IDLE: all were given it          |
 */
export class JobWatcherGroup implements JobReader {
  readonly watchers = new Set<JobWatcher>();
  readonly id: string;
  readonly #deps: JobWatcherGroupDeps;
  /** Changes that no reader was told of. */
  #changes: Change[] = [];
  #state: State = "IDLE";
  /** Whether changes may have been missed: the job must be read again. */
  #isStale = false;
  #isGone = false;
  /** What all readers were told, or will be. */
  #seen: Job | undefined;
  #away: Timer | undefined;

  constructor(id: string, deps: JobWatcherGroupDeps) {
    this.id = id;
    this.#deps = deps;
  }

  /** Whether the job was not there when it was read last. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Begins a watch: a heartbeat, the job as it is. JOB_NOT_FOUND. */
  async join(watcher: JobWatcher): Promise<void> {
    const { feed } = watcher;
    // Subscribed first, read second: nothing is missed in between.
    this.watchers.add(watcher);
    try {
      const [job] = await this.#deps.backend.get([this.id], this.#seen?.queue);
      if (feed.isEnded) return;
      const state = this.#newer(job);
      if (state === undefined) throw jobNotFound(this.id);
      this.#seen ??= state;
      watcher.isJoined = true;
      this.#deps.heartbeats.add(watcher);
      feed.push({ kind: "heartbeat", at: this.#deps.clock.now() });
      watcher.give({ kind: "event", job: state });
      if (isFinal(state.status)) feed.end();
      else this.refresh();
    } catch (error) {
      feed.end({ cause: error });
    }
  }

  /** What was read, unless the other readers were told of something later meanwhile, or of the end of a job now gone. */
  #newer(job: Job | undefined): Job | undefined {
    const seen = this.#seen;
    if (seen === undefined) return job;
    if (job === undefined) return isFinal(seen.status) ? seen : undefined;
    return seen.revision > job.revision ? seen : job;
  }

  /** The reader is gone. */
  leave(watcher: JobWatcher): void {
    this.watchers.delete(watcher);
    this.#deps.heartbeats.remove(watcher);
    if (this.watchers.size > 0) return;
    this.#away?.cancel();
    this.#deps.abandoned(this.id);
  }

  /** The job changed. */
  changed(change: Change): void {
    if (this.#changes.length === MAX_BEHIND) this.#changes = [];
    this.#changes.push(change);
    this.refresh();
  }

  /** Changes may have been missed. */
  resync(): void {
    this.#isStale = true;
    this.refresh();
  }

  /** Tells what there is to tell, if somebody waits for it; reads the job where the changes do not say enough. */
  refresh(): void {
    const seen = this.#seen;
    const [change] = this.#changes;
    const hasNews = change !== undefined || this.#isStale;
    if (this.#state !== "IDLE" || seen === undefined || !hasNews || !this.#isWanted()) return;
    const isPlain = change !== undefined && this.#changes.length === 1 && !this.#isStale;
    const next = isPlain ? afterChange(seen, change) : undefined;
    if (next !== undefined) {
      this.#changes.pop();
      this.#give(next);
      this.refresh();
      return;
    }
    this.#state = "READING";
    this.#isStale = false;
    this.#deps.loader.add(seen.queue, this);
  }

  #isWanted(): boolean {
    for (const { feed, isJoined } of this.watchers) if (isJoined && feed.isWanted) return true;
    return false;
  }

  read(job: Job | undefined): void {
    this.#state = "IDLE";
    this.#tell(job);
  }

  failed(error: unknown): void {
    this.#state = "IDLE";
    if (isUnavailable(error)) this.#retry();
    else this.end(() => error);
  }

  #retry(): void {
    this.#away?.cancel();
    this.#away = this.#deps.clock.setTimer(AWAY_MS, () => this.resync());
  }

  #tell(job: Job | undefined): void {
    const seen = this.#seen;
    if (seen === undefined) return;
    this.#isGone = job === undefined;
    // Nearly always what is read is what the one change said.
    if (job !== undefined && this.#changes.length === 1 && this.#changes[0]?.revision === job.revision) {
      this.#changes.pop();
      if (job.revision > seen.revision) this.#give(job);
    } else if (this.#tellStates(seen, job)) {
      this.end();
      return;
    }
    if (isFinal(this.#seen?.status ?? "PENDING")) this.end();
    else this.refresh();
  }

  /** Tells the states between. Answers whether the job was deleted. */
  #tellStates(seen: Job, job: Job | undefined): boolean {
    // Looked at after the job was read: when it is gone by then, only they tell how it ended.
    const [from, to] = [seen.revision, job?.revision ?? Number.POSITIVE_INFINITY];
    const changes = this.#changes.filter(({ revision }) => revision > from && revision <= to);
    this.#changes = this.#changes.filter(({ revision }) => revision > to);
    for (const state of statesSince(seen, changes, job)) {
      this.#give(state);
      if (isFinal(state.status)) break;
    }
    return changes.some((change) => change.deleted);
  }

  /** Ends all watches, with an error or without: then one that is just joining sees the end for itself. */
  end(makeError?: () => unknown): void {
    for (const { feed, isJoined } of [...this.watchers]) {
      if (makeError !== undefined) feed.end({ cause: makeError() });
      else if (isJoined) feed.end();
    }
  }

  #give(job: Job): void {
    this.#seen = job;
    const event = { kind: "event", job } as const;
    const isShared = this.watchers.size > 1;
    const now = this.#deps.heartbeats.now();
    this.#state = "GIVING";
    try {
      for (const watcher of this.watchers) {
        watcher.feed.isShared = isShared;
        watcher.heardAt = now;
        watcher.give(event);
      }
    } finally {
      this.#state = "IDLE";
    }
  }
}
