import type { Queue } from "../../model/queue/queue.js";
import type { Backend } from "../backend.js";
import { ownTurn } from "../turns/own-turn.js";
import { shareNext } from "../turns/share-next.js";

/** Queues read in one call, with other work in between. */
const PART = 200;

/** Reads queues with their figures, sorted by name: the first `max` of them. Calls share readings; see `shareNext`. */
export function createListQueues(backend: Backend, max = Number.POSITIVE_INFINITY): () => Promise<readonly Queue[]> {
  return shareNext(async () => {
    const names = (await backend.queueNames()).slice(0, max).map(({ name }) => name);
    const queues: Queue[] = [];
    for (let from = 0; from < names.length; from += PART) {
      if (from > 0) await ownTurn();
      for (const queue of await backend.queues(names.slice(from, from + PART), "part")) queues.push(queue);
    }
    return queues;
  });
}
