import { LIMITS } from "../../../model/common/limits.js";
import type { Queue } from "../../../model/queue/queue.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";

/** How long what was found is used, ms: it takes Redis some ms for a thousand types. */
const FRESH_MS = 10_000;

/** Types of one call. */
const PART = 50;

/** Most queues of which it is remembered; of more, all is forgotten. */
const MAX_QUEUES = 1000;

interface Found {
  /** When it was found, ms since 1970 in the time of Redis. */
  readonly at: number;
  readonly types: readonly string[];
  /** The earliest runAfter of the ready jobs; undefined when there was none. */
  readonly oldest: number | undefined;
}

/**
 * Figures over all types of queues that have ready jobs of many: too much for each reading. They are found in parts, at most
 * once in ten seconds, and remembered; the age of the oldest job grows meanwhile.
 */
export class ManyTypes {
  readonly #calls: QueueCalls;
  readonly #found = new Map<string, Found>();

  constructor(calls: QueueCalls) {
    this.#calls = calls;
  }

  /** The queue, read at `now` in the time of Redis, with its ready types and the age of its oldest ready job. */
  async complete(queue: Queue, now: number): Promise<Queue> {
    const known = this.#found.get(queue.name);
    const isFresh = known !== undefined && now - known.at < FRESH_MS && now >= known.at;
    const { types, oldest } = isFresh ? known : await this.#find(queue.name, now);
    const ages = [queue.stats.oldestReadyAgeMs ?? -1, oldest === undefined ? -1 : Math.max(0, now - oldest)];
    const age = Math.max(...ages);
    return { ...queue, stats: { ...queue.stats, readyTypes: types, oldestReadyAgeMs: age < 0 ? undefined : age } };
  }

  /** Forgets what is known of a queue. */
  forget(name: string): void {
    this.#found.delete(name);
  }

  async #find(name: string, at: number): Promise<Found> {
    const types = (await this.#calls.call("readyTypes", name, [])).rest.map(text).sort();
    let oldest: number | undefined;
    for (let from = 0; from < types.length; from += PART) {
      const [first] = (await this.#calls.call("oldest", name, types.slice(from, from + PART))).rest;
      if (first !== undefined) oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, Number(first));
    }
    const found = { at, types: types.slice(0, LIMITS.readyTypes), oldest };
    if (this.#found.size >= MAX_QUEUES) this.#found.clear();
    this.#found.set(name, found);
    return found;
  }
}
