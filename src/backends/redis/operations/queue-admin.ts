import { queueExists, queueNotEmpty, queueNotFound } from "../../../model/errors.js";
import type { Queue, QueueSettings } from "../../../model/queue.js";
import type { Reply } from "../link/connection.js";
import { type QueueCalls, text } from "../queues/queue-calls.js";
import { GONE_LOG_MS, type QueueRegistry } from "../queues/queue-registry.js";

/** Most jobs that one script call deletes. */
const DELETE_PART = 200;

/** Most PENDING jobs that one script call purges. */
const PURGE_PART = 500;

/** Creates, reads, changes, empties and deletes queues. */
export class QueueAdmin {
  readonly #calls: QueueCalls;
  readonly #registry: QueueRegistry;

  constructor(calls: QueueCalls, registry: QueueRegistry) {
    this.#calls = calls;
    this.#registry = registry;
  }

  /** QUEUE_EXISTS. Finishes the deletion of an old queue of this name first. */
  async create(name: string, settings: QueueSettings): Promise<Queue> {
    const { ordering, weight, maxConcurrency, maxDepth } = settings;
    for (;;) {
      const { rest } = await this.#calls.call("create", name, [ordering[0] ?? "P", weight, maxConcurrency, maxDepth]);
      const code = rest.length < QUEUE_PARTS ? text(rest[0]) : "";
      if (code === "X") {
        await this.finishDeletion(name);
      } else if (code === "E") {
        // The server that created it may have died before it added it to the list.
        if (!this.#registry.has(name)) await this.#registry.enter(name, Number(text(rest[1])), Number(text(rest[2])));
        throw queueExists(name);
      } else {
        const queue = readQueue(name, rest);
        await this.#registry.enter(name, queue.createdAt, weight);
        return queue;
      }
    }
  }

  /** The named queues that exist, sorted by name. */
  async show(names: readonly string[]): Promise<Queue[]> {
    const unique = [...new Set(names)].sort();
    const answers = await Promise.all(unique.map((name) => this.#calls.call("show", name, [])));
    return unique.flatMap((name, at) => {
      const rest = answers[at]?.rest ?? [];
      return rest.length === 0 ? [] : [readQueue(name, rest)];
    });
  }

  async update(name: string, { ordering, weight, maxConcurrency, maxDepth }: Partial<QueueSettings>): Promise<Queue> {
    const args = [ordering?.[0] ?? "", weight ?? "", maxConcurrency ?? "", maxDepth ?? ""];
    const { rest } = await this.#calls.call("update", name, args);
    if (rest.length < QUEUE_PARTS) {
      if (text(rest[0]) === "N") throw queueNotFound(name);
      throw queueNotEmpty(name, "has waiting jobs: its ordering can be changed only when none waits");
    }
    const queue = readQueue(name, rest);
    await this.#registry.enter(name, queue.createdAt, queue.settings.weight);
    return queue;
  }

  async setPaused(name: string, paused: boolean): Promise<Queue> {
    const { rest } = await this.#calls.call("pause", name, [paused ? 1 : 0]);
    if (rest.length < QUEUE_PARTS) throw queueNotFound(name);
    return readQueue(name, rest);
  }

  /** Marks the queue as deleting, so that it no longer exists for anybody, then deletes its jobs in several calls. */
  async delete(name: string, force: boolean): Promise<void> {
    const { rest } = await this.#calls.call("beginDelete", name, [force ? 1 : 0]);
    const answer = text(rest[0]);
    if (answer === "N") throw queueNotFound(name);
    if (answer === "B") {
      throw queueNotEmpty(name, "has waiting, running or dead jobs: empty it first, or delete it with force");
    }
    await this.finishDeletion(name, answer);
  }

  /** Finishes a deletion that some server began. `stamp`: when the queue was created; default: as listed. */
  async finishDeletion(name: string, stamp = this.#registry.stampOf(name)): Promise<void> {
    for (let isGone = false; !isGone; ) {
      const { rest } = await this.#calls.call("continueDelete", name, [DELETE_PART, GONE_LOG_MS]);
      isGone = Number(rest[0]) === 1;
    }
    if (stamp !== undefined) await this.#registry.leave(name, stamp);
  }

  async purge(name: string, limit: number): Promise<number> {
    let count = 0;
    while (count < limit) {
      const part = Math.min(PURGE_PART, limit - count);
      const { rest } = await this.#calls.call("purge", name, [part]);
      if (typeof rest[0] !== "number") throw queueNotFound(name);
      count += rest[0];
      if (rest[0] < part) break;
    }
    return count;
  }
}

/** Number of values that describe a queue in an answer. */
const QUEUE_PARTS = 14;

function readQueue(name: string, parts: readonly Reply[]): Queue {
  const [ordering, ...rest] = parts;
  const types = rest.pop() as readonly Reply[];
  const [weight, maxConcurrency, maxDepth, paused, createdAt, ...counts] = rest.map((part) => Number(text(part))) as [
    ...[weight: number, maxConcurrency: number, maxDepth: number, paused: number, createdAt: number],
    ...[ready: number, scheduled: number, running: number, dead: number, done: number, age: number, completed: number],
  ];
  const [ready, scheduled, running, dead, done, age, completed] = counts;
  return {
    name,
    settings: { ordering: text(ordering) === "P" ? "PRIORITY" : "RUN_AFTER", weight, maxConcurrency, maxDepth },
    paused: paused === 1,
    createdAt,
    stats: {
      ...{ ready, scheduled, running, dead, done, completed },
      oldestReadyAgeMs: age < 0 ? undefined : age,
      readyTypes: types.map(text).sort(),
    },
  };
}
