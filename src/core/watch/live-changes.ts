import type { Change, ChangeBatch, ChangeFilter } from "../port/changes.js";
import { matchesChange } from "./change-filter.js";
import { LiveGroup, type LiveMember } from "./live-group.js";

/** The number of the batch that came last, and how often watchers were sent back to the log. */
export interface LiveState {
  readonly number: number;
  readonly interruptions: number;
}

/**
 * Hands changes, as they come, to the watchers that have read the log to its end. A change costs the groups of watchers whose
 * filter names its queue or its type, and those whose filter names neither.
 */
export class LiveChanges {
  readonly #told: (queues: ReadonlySet<string> | undefined) => string | undefined;
  readonly #groups = new Map<string, LiveGroup>();
  readonly #byQueue = new Map<string, Set<LiveGroup>>();
  readonly #byType = new Map<string, Set<LiveGroup>>();
  readonly #others = new Set<LiveGroup>();
  /** Number of the last batch. */
  #number = 0;
  #interruptions = 0;

  /** `told`: see `Backend.told`. */
  constructor(told: (queues: ReadonlySet<string> | undefined) => string | undefined) {
    this.#told = told;
  }

  /** How it stands: two are equal while nothing came and nothing was missed. */
  get state(): LiveState {
    return { number: this.#number, interruptions: this.#interruptions };
  }

  /** Adds a watcher that has had everything that came until now, up to this cursor. Returns its group. */
  join(member: LiveMember, filter: ChangeFilter, key: string, cursor: string): LiveGroup {
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new LiveGroup(filter, key);
      this.#groups.set(key, group);
      for (const set of this.#placesOf(filter)) set.add(group);
    }
    group.join(member, cursor);
    return group;
  }

  leave(member: LiveMember, group: LiveGroup): void {
    group.leave(member);
    if (group.size === 0) this.#remove(group);
  }

  /** The cursor of a watcher of this group that has had everything. */
  cursor({ filter }: LiveGroup): string | undefined {
    return this.#told(filter.queues);
  }

  /** Takes changes that were appended to the log. */
  changed(batch: ChangeBatch): void {
    this.#number = batch.number;
    if (this.#groups.size === 0 || !this.#mayConcern(batch)) return;
    const concerned = new Set<LiveGroup>();
    batch.changes.forEach((change, index) => {
      for (const groups of this.#concerned(change)) {
        for (const group of groups) {
          if (!matchesChange(group.filter, change)) continue;
          group.add(batch, index, change);
          concerned.add(group);
        }
      }
    });
    for (const group of concerned) {
      group.wake();
      if (group.size === 0) this.#remove(group);
    }
  }

  /** Sends all watchers back to the log. */
  interrupted(): void {
    this.#interruptions++;
    for (const group of [...this.#groups.values()]) {
      this.#remove(group);
      group.dissolve(this.#told(group.filter.queues));
    }
  }

  #mayConcern({ queue }: ChangeBatch): boolean {
    return queue === undefined || this.#others.size > 0 || this.#byType.size > 0 || this.#byQueue.has(queue);
  }

  /** The groups that a change may concern. */
  #concerned({ queue, type }: Change): Iterable<LiveGroup>[] {
    const sets = [this.#byQueue.get(queue), this.#byType.get(type), this.#others];
    return sets.filter((groups) => groups !== undefined);
  }

  /** Where the index has a group: by the queues or else the types of its filter. */
  #placesOf({ queues, types }: ChangeFilter): Set<LiveGroup>[] {
    if (queues !== undefined) return [...queues].map((queue) => setOf(this.#byQueue, queue));
    if (types !== undefined) return [...types].map((type) => setOf(this.#byType, type));
    return [this.#others];
  }

  #remove(group: LiveGroup): void {
    if (!this.#groups.delete(group.key)) return;
    for (const set of this.#placesOf(group.filter)) set.delete(group);
    for (const queue of group.filter.queues ?? [])
      if (this.#byQueue.get(queue)?.size === 0) this.#byQueue.delete(queue);
    for (const type of group.filter.types ?? []) if (this.#byType.get(type)?.size === 0) this.#byType.delete(type);
  }
}

function setOf(index: Map<string, Set<LiveGroup>>, name: string): Set<LiveGroup> {
  const set = index.get(name) ?? new Set();
  index.set(name, set);
  return set;
}
