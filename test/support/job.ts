import type { NewJob } from "../../src/core/backend.js";
import { createIdGenerator } from "../../src/model/ids.js";

const ids = createIdGenerator({ now: () => Date.now() }, 7);

/** A new job as the engine would pass it to a backend. */
export function newJob(given: Partial<NewJob> = {}): NewJob {
  return {
    id: ids.next(),
    queue: "default",
    type: "echo",
    payload: '{"n":1}',
    priority: 0,
    maxRetries: 5,
    backoff: { baseDelayMs: 100, maxDelayMs: 5000 },
    timeoutMs: 0,
    metadata: {},
    ...given,
  };
}
