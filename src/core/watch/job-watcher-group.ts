import { isUnavailable, jobNotFound } from "../../model/common/errors.js";
import { isFinal, type Job } from "../../model/job/job.js";
import type { Backend } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import type { Change } from "../port/changes.js";
import { Feed, type FeedSource } from "./feed.js";
import type { HeartbeatMember, Heartbeats } from "./heartbeats.js";
import type { JobLoader, JobReader } from "./job-loader.js";
import { afterChange, statesSince } from "./states-since.js";
import { AWAY_MS, type JobEvent } from "./watch-events.js";

/** Most states that wait for a watcher, and most changes that a group keeps; beyond that, older ones are skipped. */
const MAX_BEHIND = 64;

/** One watcher of a job. */
export class JobWatcher implements FeedSource, HeartbeatMember {
  readonly feed = new Feed<JobEvent>(this);
  readonly #open: () => JobWatcherGroup;
  #group: JobWatcherGroup | undefined;
  /** Revision of the last state it was given; 0 before the first. */
  #revision = 0;
  heardAt = 0;
  /** Whether it was given its first state. Until then the group gives it none: it reads the job itself, in `join`. */
  isJoined = false;

  /** `open` returns the group of the job, or throws SERVER_DRAINING. */
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

  /** Gives it a state, unless it has had that or a later one. */
  give(event: JobEvent & { kind: "event" }): void {
    if (!this.isJoined || event.job.revision <= this.#revision) return;
    this.#revision = event.job.revision;
    if (this.feed.size >= MAX_BEHIND) this.feed.clear();
    this.feed.push(event);
  }

  /** Pushes a heartbeat, unless events wait already; ends the feed if the job is gone. */
  beat(at: number): void {
    // Changes that say how a job ended normally arrive soon after it is gone. They did not, so none will come.
    if (this.#group?.isGone) this.feed.end();
    else if (this.feed.size === 0) this.feed.push({ kind: "heartbeat", at });
  }
}

/** Dependencies of a group. */
export interface JobWatcherGroupDeps {
  readonly loader: JobLoader;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly heartbeats: Heartbeats<JobWatcher>;
  /** Called when the last watcher has left. */
  readonly abandoned: (id: string) => void;
}

type State = "IDLE" | "READING" | "GIVING";

/**
 * All watchers of one job. When the job has changed and at least one watcher waits for news, it is read once for all of
 * them. A slow watcher holds at most `MAX_BEHIND` states and does not delay the others. The group keeps the state that
 * all watchers were given last, and up to `MAX_BEHIND` changes since then.
 *
 * | state   | what happens                                                            | moves to                      |
 * |---------|-------------------------------------------------------------------------|-------------------------------|
 * | IDLE    | nothing: there is no news, or no watcher waits for any                  | READING or GIVING: `refresh`  |
 * | READING | the job is being read, because its changes alone do not give its state  | IDLE: it was read, or failed  |
 * | GIVING  | watchers are given a state; requests meanwhile cannot start a new round | IDLE: all have been given it  |
 */
export class JobWatcherGroup implements JobReader {
  readonly watchers = new Set<JobWatcher>();
  readonly id: string;
  readonly #deps: JobWatcherGroupDeps;
  /** Changes not yet given to the watchers. */
  #changes: Change[] = [];
  #state: State = "IDLE";
  /** Whether changes may have been missed, so that the job must be read again. */
  #isStale = false;
  #isGone = false;
  /** The last state given, or being given, to all watchers; undefined until the first one has joined. */
  #seen: Job | undefined;
  #away: Timer | undefined;

  constructor(id: string, deps: JobWatcherGroupDeps) {
    this.id = id;
    this.#deps = deps;
  }

  /** Whether the job did not exist when it was last read. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Begins a watch with a heartbeat and the current job. The feed ends with JOB_NOT_FOUND if there is no such job. */
  async join(watcher: JobWatcher): Promise<void> {
    const { feed } = watcher;
    // Subscribe first, then read, so that no change in between is missed.
    this.watchers.add(watcher);
    try {
      const [job] = await this.#deps.backend.get([this.id]);
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

  /**
   * Returns the job that was read, unless the other watchers have been given a later state, or the final state of a job
   * that is gone now: then that.
   */
  #newer(job: Job | undefined): Job | undefined {
    const seen = this.#seen;
    if (seen === undefined) return job;
    if (job === undefined) return isFinal(seen.status) ? seen : undefined;
    return seen.revision > job.revision ? seen : job;
  }

  /** Removes a watcher that has left. */
  leave(watcher: JobWatcher): void {
    this.watchers.delete(watcher);
    this.#deps.heartbeats.remove(watcher);
    if (this.watchers.size > 0) return;
    this.#away?.cancel();
    this.#deps.abandoned(this.id);
  }

  /** Takes a change of the job. */
  changed(change: Change): void {
    if (this.#changes.length === MAX_BEHIND) this.#changes = [];
    this.#changes.push(change);
    this.refresh();
  }

  /** Has the job read again, because changes may have been missed. */
  resync(): void {
    this.#isStale = true;
    this.refresh();
  }

  /** Gives watchers the news, if there is any and one waits for it; reads the job if the changes are not enough. */
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
    this.#deps.loader.add(this);
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
    // The usual case: the state that was read is the one of the only change.
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

  /** Gives the states since `seen`, up to the job that was read. Returns whether the job was deleted. */
  #tellStates(seen: Job, job: Job | undefined): boolean {
    // Use the changes that arrived during the read too: if the job is gone, only they tell how it ended.
    const [from, to] = [seen.revision, job?.revision ?? Number.POSITIVE_INFINITY];
    const changes = this.#changes.filter(({ revision }) => revision > from && revision <= to);
    this.#changes = this.#changes.filter(({ revision }) => revision > to);
    for (const state of statesSince(seen, changes, job)) {
      this.#give(state);
      if (isFinal(state.status)) break;
    }
    return changes.some((change) => change.deleted);
  }

  /** Ends all watches. Without an error, watchers still joining are left: they read the final state themselves. */
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
