import { defined } from "../../model/common/defined.js";
import { fieldInvalid, queueNotFound } from "../../model/common/errors.js";
import { toBackoff } from "../../model/job/backoff.js";
import type { Backoff } from "../../model/job/job.js";
import { pendingCount } from "../../model/queue/pending-counts.js";
import {
  DEFAULT_QUEUE,
  DEFAULT_QUEUE_SETTINGS,
  type Queue,
  type QueueSettings,
  type QueueSettingsRequest,
} from "../../model/queue/queue.js";
import { toRateLimit } from "../../model/queue/rate-limit.js";
import { checkQueueSettings } from "../../model/request/validate.js";
import { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import { ownTurn } from "../turns/own-turn.js";
import { createListQueues } from "./list-queues.js";

/** Creates, reads, changes, pauses, purges and deletes queues. */
export interface QueueOperations {
  /** Missing settings get their defaults. FIELD_INVALID, QUEUE_EXISTS. */
  create(name: string, settings?: QueueSettingsRequest, violations?: Violations): Promise<Queue>;
  /** QUEUE_NOT_FOUND. */
  get(name: string): Promise<Queue>;
  /** All queues, sorted by name. */
  list(): Promise<readonly Queue[]>;
  /** Changes the given settings. QUEUE_NOT_FOUND; QUEUE_NOT_EMPTY if the ordering changes while jobs are PENDING. */
  update(name: string, settings: QueueSettingsRequest, violations?: Violations): Promise<Queue>;
  /**
   * Deletes a queue; with `force` its jobs too. FIELD_INVALID for `default`, QUEUE_NOT_FOUND; without `force`,
   * QUEUE_NOT_EMPTY if it has PENDING, RUNNING or DEAD jobs.
   */
  remove(name: string, force: boolean): Promise<void>;
  /** Stops leasing from a queue; RUNNING jobs go on. QUEUE_NOT_FOUND. */
  pause(name: string): Promise<Queue>;
  /** Undoes `pause`. QUEUE_NOT_FOUND. */
  resume(name: string): Promise<Queue>;
  /** Deletes all PENDING jobs; resolves to how many. QUEUE_NOT_FOUND. */
  purge(name: string): Promise<number>;
}

/** Jobs purged in one call, so that purging a queue of a million jobs does not block the server for seconds. */
const PURGE_BATCH = 2000;

/**
 * Creates the queue operations on a backend.
 *
 * @param defaults complete a backoff that is given in part
 */
export function createQueueOperations(backend: Backend, defaults: Backoff): QueueOperations {
  /** Times are stored in whole ms: fractions are rounded up. */
  function toSettings({ defaultBackoff, rateLimit, ...settings }: QueueSettingsRequest): Partial<QueueSettings> {
    const whole: { -readonly [Name in keyof QueueSettings]?: QueueSettings[Name] | undefined } = settings;
    for (const name of ["completedTtlMs", "deadTtlMs", "defaultTimeoutMs", "defaultTtlMs"] as const) {
      const ms = settings[name];
      if (typeof ms === "number") whole[name] = Math.ceil(ms);
    }
    if (defaultBackoff !== undefined) whole.defaultBackoff = defaultBackoff && toBackoff(defaultBackoff, defaults);
    if (rateLimit !== undefined) whole.rateLimit = rateLimit && toRateLimit(rateLimit);
    return defined(whole) as Partial<QueueSettings>;
  }

  /** Purges, part by part, as many jobs as were PENDING at the start; jobs created meanwhile may be among them. */
  async function purge(name: string): Promise<number> {
    const [queue] = await backend.queues([name]);
    const waiting = queue === undefined ? 0 : pendingCount(queue.stats);
    let count = 0;
    for (;;) {
      const purged = await backend.purge(name, PURGE_BATCH);
      count += purged;
      if (purged < PURGE_BATCH || count >= waiting) return count;
      await ownTurn();
    }
  }

  return {
    async create(name, settings = {}, violations = new Violations()) {
      violations.queueName("name", name);
      checkQueueSettings(violations, "settings.", settings);
      violations.throwIfAny();
      return backend.createQueue(name, { ...DEFAULT_QUEUE_SETTINGS, ...toSettings(settings) });
    },

    async get(name) {
      checkName(name);
      const [queue] = await backend.queues([name]);
      if (queue === undefined) throw queueNotFound(name);
      return queue;
    },

    list: createListQueues(backend),

    async update(name, settings, violations = new Violations()) {
      violations.queueName("queue.name", name);
      checkQueueSettings(violations, "queue.settings.", settings);
      violations.throwIfAny();
      return backend.updateQueue(name, toSettings(settings));
    },

    async remove(name, force) {
      checkName(name);
      if (name === DEFAULT_QUEUE) {
        throw fieldInvalid([{ field: "name", description: `the queue "${DEFAULT_QUEUE}" always exists` }]);
      }
      await backend.deleteQueue(name, force);
    },

    async pause(name) {
      checkName(name);
      return backend.setPaused(name, true);
    },

    async resume(name) {
      checkName(name);
      return backend.setPaused(name, false);
    },

    async purge(name) {
      checkName(name);
      return purge(name);
    },
  };
}

function checkName(name: string): void {
  const violations = new Violations();
  violations.queueName("name", name);
  violations.throwIfAny();
}
