import type { NewJob } from "../../src/core/port/new-jobs.js";
import type { TraceContext } from "../../src/model/log/trace-context.js";
import { createIdGenerator, jobIdOf, numberOf } from "../../src/model/queue/ids.js";
import { DEFAULT_QUEUE } from "../../src/model/queue/queue.js";

const ids = createIdGenerator({ now: () => Date.now() }, 7);

/** The trace context of W3C's own example, with all of its parts. */
export const TRACE: TraceContext = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  baggage: "userId=alice,serverNode=DF%2028;prop=1",
};

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
