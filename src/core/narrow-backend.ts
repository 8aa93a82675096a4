import { scopeMissing } from "../model/common/errors.js";
import { queueOf } from "../model/queue/ids.js";
import type { QueuePatterns } from "../model/queue/queue-patterns.js";
import type { Backend, QueueName } from "./backend.js";

/**
 * A backend as operations see it that may reach only some queues: there are no others among all queues. Operations on what
 * somebody named are refused before they come here; those on other jobs are refused here too.
 */
export function narrowBackend(backend: Backend, queues: QueuePatterns): Backend {
  let seen: readonly QueueName[] | undefined;
  let narrowed: readonly QueueName[] = [];

  function check(ids: readonly string[]): void {
    const foreign = ids.map(queueOf).find((queue) => !queues.has(queue));
    if (foreign !== undefined) throw scopeMissing("queues", "", foreign);
  }

  return {
    ...backend,
    async queueNames() {
      const all = await backend.queueNames();
      // Backends keep the list until it changes.
      if (all !== seen) narrowed = all.filter(({ name }) => queues.has(name));
      seen = all;
      return narrowed;
    },
    async get(ids, view, maxBytes) {
      check(ids);
      return backend.get(ids, view, maxBytes);
    },
    async act(action, ids, match) {
      check(ids);
      return backend.act(action, ids, match);
    },
  };
}
