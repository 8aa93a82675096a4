import { queueExists, queueNotEmpty, queueNotFound } from "../../../model/common/errors.js";
import { LIMITS } from "../../../model/common/limits.js";
import type { Queue, QueueSettings } from "../../../model/queue/queue.js";
import { featuresOf, readSettings, writeSettings } from "../layout/settings.js";
import type { Reply } from "../link/connection.js";
import { type Answer, type QueueCalls, text } from "../queues/queue-calls.js";
import { ANNOUNCED, GONE_LOG_MS, type QueueRegistry } from "../queues/queue-registry.js";
import { skipRefusal } from "../queues/refused-queues.js";
import { ManyTypes } from "./many-types.js";

/** Most jobs that one script call deletes. */
const DELETE_PART = 200;

/** Most PENDING jobs that one script call purges. */
const PURGE_PART = 250;

/** Dependencies of the operations on queues. */
export interface QueueAdminDeps {
  readonly calls: QueueCalls;
  readonly registry: QueueRegistry;
  /** Throws UPGRADE_REQUIRED when a live server does not know one of these features, which the queue is to need. */
  readonly checkFeatures: (queue: string, features: readonly string[]) => Promise<void>;
  /** Has somebody go on soon with what this server could not finish. */
  readonly lookAfter: (queue: string) => void;
  /** Name of this server, unique among all servers. */
  readonly self: string;
}

/**
 * Creates, reads, changes, empties and deletes queues. The list of queues and the keys of a queue may be on different
 * nodes, so creating and deleting takes several steps. A server may die after any of them; the sweeps of the others, or
 * of its successor, then finish what was begun, or undo it.
 */
export class QueueAdmin {
  readonly #calls: QueueCalls;
  readonly #registry: QueueRegistry;
  readonly #checkFeatures: QueueAdminDeps["checkFeatures"];
  readonly #lookAfter: (queue: string) => void;
  readonly #self: string;
  readonly #manyTypes: ManyTypes;

  constructor({ calls, registry, checkFeatures, lookAfter, self }: QueueAdminDeps) {
    this.#calls = calls;
    this.#registry = registry;
    this.#checkFeatures = checkFeatures;
    this.#lookAfter = lookAfter;
    this.#self = self;
    this.#manyTypes = new ManyTypes(calls);
  }

  /** QUEUE_EXISTS. Finishes the deletion of an old queue of this name first. */
  async create(name: string, settings: QueueSettings): Promise<Queue> {
    const args = await this.#argsOf(name, settings);
    for (;;) {
      await this.#registry.announce(name, "create");
      const answer = await this.#calls.call("create", name, args);
      const { rest } = answer;
      const code = codeOf(rest);
      if (code === "X") {
        await this.finishDeletion(name);
      } else if (code === "E") {
        // The server that created it may have died before it added it to the list.
        if (!this.#registry.has(name)) await this.#registry.enter(name, Number(text(rest[1])), Number(text(rest[2])));
        throw queueExists(name);
      } else {
        const queue = await this.#queue(name, answer);
        await this.#registry.enter(name, queue.createdAt, settings.weight);
        return queue;
      }
    }
  }

  /** The named queues that exist, sorted by name. */
  async show(names: readonly string[]): Promise<Queue[]> {
    const unique = [...new Set(names)].sort();
    return this.#read(unique, await Promise.all(unique.map((name) => this.#calls.call("show", name, []))));
  }

  /** These queues, sorted by name; those that this server is too old for are left out. Default: all. */
  async showKnown(names = this.#registry.names): Promise<Queue[]> {
    const show = (name: string) => this.#calls.call("show", name, []).catch(skipRefusal);
    return this.#read(names, await Promise.all(names.map(show)));
  }

  async #read(names: readonly string[], answers: readonly (Answer | undefined)[]): Promise<Queue[]> {
    const queues = names.map((name, at) => {
      const answer = answers[at];
      return answer === undefined || answer.rest.length === 0 ? [] : this.#queue(name, answer);
    });
    return (await Promise.all(queues)).flat();
  }

  /** The queue that a script answered. */
  #queue(name: string, { now, rest }: Answer): Queue | Promise<Queue> {
    const { queue, hasManyTypes } = readQueue(name, rest);
    if (hasManyTypes) return this.#manyTypes.complete(queue, now);
    this.#manyTypes.forget(name);
    return queue;
  }

  async update(name: string, settings: Partial<QueueSettings>): Promise<Queue> {
    const answer = await this.#calls.call("update", name, await this.#argsOf(name, settings));
    const code = codeOf(answer.rest);
    if (code !== "") {
      if (code === "N") throw queueNotFound(name);
      throw queueNotEmpty(name, "has waiting jobs: its ordering can be changed only when none waits");
    }
    const queue = await this.#queue(name, answer);
    await this.#registry.enter(name, queue.createdAt, queue.settings.weight);
    return queue;
  }

  /** What CREATE_QUEUE and UPDATE_QUEUE are given. */
  async #argsOf(name: string, settings: Partial<QueueSettings>): Promise<string[]> {
    const features = featuresOf(settings);
    await this.#checkFeatures(name, features);
    return [features.join(","), ...writeSettings(settings)];
  }

  async setPaused(name: string, paused: boolean): Promise<Queue> {
    const answer = await this.#calls.call("pause", name, [paused ? 1 : 0]);
    if (codeOf(answer.rest) !== "") throw queueNotFound(name);
    return this.#queue(name, answer);
  }

  /** Marks the queue as deleting, so that it no longer exists for anybody, then deletes its jobs in several calls. */
  async delete(name: string, force: boolean): Promise<void> {
    // Its entry may be missing; whoever finishes the deletion must find it all the same.
    const wasMissing = await this.#registry.announce(name, "delete");
    const { rest } = await this.#calls.call("beginDelete", name, [force ? 1 : 0, this.#self]);
    const answer = text(rest[0]);
    if (answer === "N") {
      if (wasMissing) await this.#registry.leave(name, ANNOUNCED);
      throw queueNotFound(name);
    }
    if (answer === "B") {
      throw queueNotEmpty(name, "has waiting, running or dead jobs: empty it first, or delete it with force");
    }
    await this.finishDeletion(name, answer);
  }

  /** Finishes a deletion that some server began. `stamp`: when the queue was created; default: as listed. */
  async finishDeletion(name: string, stamp?: string): Promise<void> {
    try {
      while (!(await this.continueDeletion(name, stamp)));
    } catch (error) {
      this.#lookAfter(name);
      throw error;
    }
  }

  /** Does a part of a deletion that some server began; resolves to whether it was the last. `stamp`: as above. */
  async continueDeletion(name: string, stamp = this.#registry.stampOf(name)): Promise<boolean> {
    const { rest } = await this.#calls.call("continueDelete", name, [DELETE_PART, GONE_LOG_MS, this.#self]);
    if (Number(rest[0]) !== 1) return false;
    // An entry of unknown age is that of the deleted queue. A newer queue of this name has one that tells its age.
    await this.#registry.leave(name, stamp === undefined || stamp === ANNOUNCED ? "" : stamp);
    return true;
  }

  /** Enters a queue that exists in the list again. */
  async relist(name: string): Promise<void> {
    const [queue] = await this.show([name]);
    if (queue !== undefined) await this.#registry.enter(name, queue.createdAt, queue.settings.weight);
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

/** What a script answered instead of a queue; "" when it answered a queue. */
function codeOf([first]: readonly Reply[]): string {
  return Array.isArray(first) ? "" : text(first);
}

/** Names and values in turns. */
function readPairs(parts: readonly Reply[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let at = 0; at < parts.length; at += 2) pairs.set(text(parts[at]), text(parts[at + 1]));
  return pairs;
}

/** Reads what `snapshot` in queues.ts answers. */
function readQueue(name: string, rest: readonly Reply[]): { queue: Queue; hasManyTypes: boolean } {
  const [meta, figures, types] = rest as readonly (readonly Reply[])[];
  if (!meta || !figures || !types) throw new Error("a script answered half a queue");
  const fields = readPairs(meta);
  const counts = readPairs(figures);
  const number = (field: string) => Number(counts.get(field) ?? fields.get(field) ?? 0);
  const age = number("oldest_ready_age");
  const queue: Queue = {
    name,
    settings: readSettings(fields),
    paused: fields.get("paused") === "1",
    createdAt: number("created_at"),
    nextSlotAt: number("next_slot_at") || undefined,
    stats: {
      ready: number("ready"),
      scheduled: number("scheduled"),
      retrying: number("retrying"),
      limited: number("limited"),
      running: number("running"),
      dead: number("dead"),
      done: number("done"),
      completed: number("completed"),
      oldestReadyAgeMs: age < 0 ? undefined : age,
      readyTypes: types.map(text).sort().slice(0, LIMITS.readyTypes),
    },
  };
  return { queue, hasManyTypes: number("many_types") > 0 };
}
