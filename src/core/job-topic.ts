import { isUnavailable, jobNotFound } from "../model/errors.js";
import { isFinal, type Job } from "../model/job.js";
import type { Backend, Change } from "./backend.js";
import type { Clock, Timer } from "./clock.js";
import { Feed, type FeedSource } from "./feed.js";
import type { HeartbeatMember, Heartbeats } from "./heartbeats.js";
import type { JobReader, JobReads } from "./job-reads.js";
import { afterChange, story } from "./job-story.js";
import { AWAY_MS, type JobEvent } from "./watch-events.js";

/** Changes one reader may be behind before it gets the latest state only. */
const MAX_BEHIND = 64;

/** One reader of a job. */
export class JobWatcher implements FeedSource, HeartbeatMember {
  readonly feed = new Feed<JobEvent>(this);
  readonly #open: () => JobTopic;
  #topic: JobTopic | undefined;
  /** Of the last state it was given; 0 before the first. */
  #revision = 0;
  heardAt = 0;
  /** Whether it was given its first state; until then, it reads the job for itself. */
  isJoined = false;

  /** `open` answers the topic of the job, or throws SERVER_DRAINING. */
  constructor(open: () => JobTopic) {
    this.#open = open;
  }

  started(): void {
    try {
      this.#topic = this.#open();
    } catch (error) {
      this.feed.end({ cause: error });
      return;
    }
    void this.#topic.join(this);
  }

  wanted(): void {
    this.#topic?.refresh();
  }

  ended(): void {
    this.#topic?.leave(this);
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
    if (this.#topic?.isGone) this.feed.end();
    else if (this.feed.size === 0) this.feed.push({ kind: "heartbeat", at });
  }
}

/** What a topic is made of. */
export interface JobTopicDeps {
  readonly reads: JobReads;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly heartbeats: Heartbeats<JobWatcher>;
  /** Told when nobody watches any more. */
  readonly abandoned: (id: string) => void;
}

/**
 * A job that is watched. It is read once for all its readers, when something changed and one of them waits: a slow one
 * costs nothing and slows nobody.
 */
export class JobTopic implements JobReader {
  readonly watchers = new Set<JobWatcher>();
  readonly id: string;
  readonly #deps: JobTopicDeps;
  /** Changes that no reader was told of. */
  #changes: Change[] = [];
  /** Whether changes may have been missed: the job must be read again. */
  #isStale = false;
  #isReading = false;
  /** Whether readers are being given a state: what one of them asks for meanwhile must not overtake that. */
  #isGiving = false;
  #isGone = false;
  /** What all readers were told, or will be. */
  #seen: Job | undefined;
  #away: Timer | undefined;

  constructor(id: string, deps: JobTopicDeps) {
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
    if (this.#isReading || this.#isGiving || seen === undefined || !hasNews || !this.#isWanted()) return;
    const isPlain = change !== undefined && this.#changes.length === 1 && !this.#isStale;
    const next = isPlain ? afterChange(seen, change) : undefined;
    if (next !== undefined) {
      this.#changes.pop();
      this.#give(next);
      this.refresh();
      return;
    }
    this.#isReading = true;
    this.#isStale = false;
    this.#deps.reads.add(seen.queue, this);
  }

  #isWanted(): boolean {
    for (const { feed, isJoined } of this.watchers) if (isJoined && feed.isWanted) return true;
    return false;
  }

  read(job: Job | undefined): void {
    this.#isReading = false;
    this.#tell(job);
  }

  failed(error: unknown): void {
    this.#isReading = false;
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
    } else if (this.#tellStory(seen, job)) {
      this.end();
      return;
    }
    if (isFinal(this.#seen?.status ?? "PENDING")) this.end();
    else this.refresh();
  }

  /** Tells the states between. Answers whether the job was deleted. */
  #tellStory(seen: Job, job: Job | undefined): boolean {
    // Looked at after the job was read: when it is gone by then, only they tell how it ended.
    const [from, to] = [seen.revision, job?.revision ?? Number.POSITIVE_INFINITY];
    const changes = this.#changes.filter(({ revision }) => revision > from && revision <= to);
    this.#changes = this.#changes.filter(({ revision }) => revision > to);
    for (const state of story(seen, changes, job)) {
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
    this.#isGiving = true;
    try {
      for (const watcher of this.watchers) {
        watcher.feed.isShared = isShared;
        watcher.heardAt = now;
        watcher.give(event);
      }
    } finally {
      this.#isGiving = false;
    }
  }
}
