import type { Queues } from "../api/queues.js";
import type { Engine } from "../core/engine.js";
import { checkWatchedQueues } from "../core/watch/check-watch.js";
import { Violations } from "../model/request/violations.js";
import type { Calls } from "./calls.js";

/** Creates the queues of a task queue on the core. */
export function createQueues({ queues, watches }: Pick<Engine, "queues" | "watches">, calls: Calls): Queues {
  return {
    create: (name, settings, options) => calls.one(() => queues.create(name, settings), options),
    get: (name, options) => calls.one(() => queues.get(name), options),
    list: (options) => calls.one(() => queues.list(), options),
    update: (name, settings, options) => calls.one(() => queues.update(name, settings), options),
    delete: (name, options) => calls.one(() => queues.remove(name, options?.force ?? false), options),
    pause: (name, options) => calls.one(() => queues.pause(name), options),
    resume: (name, options) => calls.one(() => queues.resume(name), options),
    purge: (name, options) => calls.one(() => queues.purge(name), options),
    async *watch({ names = [], minIntervalMs, ...options } = {}) {
      const open = (signal: AbortSignal) =>
        watches.watchQueues(checkWatchedQueues(new Violations(), names, minIntervalMs), signal);
      for await (const event of calls.stream(open, options)) if (event.kind === "event") yield event.queues;
    },
  };
}
