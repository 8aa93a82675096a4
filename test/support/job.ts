import type { NewJob } from "../../src/core/backend.js";
import { createIdGenerator, jobIdOf, numberOf } from "../../src/model/ids.js";
import { DEFAULT_QUEUE } from "../../src/model/queue.js";

const ids = createIdGenerator({ now: () => Date.now() }, 7);

/** A new job as the engine would pass it to a backend; a given id may be the number alone. */
export function newJob(given: Partial<NewJob> = {}): NewJob {
  const { queue = DEFAULT_QUEUE, id = ids.next() } = given;
  return {
    type: "echo",
    payload: '{"n":1}',
    priority: 0,
    maxRetries: 5,
    backoff: { baseDelayMs: 100, maxDelayMs: 5000 },
    timeoutMs: 0,
    metadata: {},
    ...given,
    queue,
    id: jobIdOf(queue, numberOf(id)),
  };
}
