import { createRedisBackend } from "../../src/backends/redis/redis-backend.js";
import type { Backend } from "../../src/core/backend.js";
import { silentObserver } from "../../src/core/observer.js";
import type { IdGenerator } from "../../src/model/queue/ids.js";
import { DEFAULT_QUEUE } from "../../src/model/queue/queue.js";
import type { Contender } from "./contender.js";
import { createCounter } from "./contender.js";
import { type BackendDeps, createBenchEngine } from "./engine.js";
import { checkPayload, newPayload } from "./load.js";
import type { BenchRedis } from "./redis.js";

/** Opens GoTaskQ as a library on this Redis, with its defaults. */
export function openGoTaskQ(redis: BenchRedis, slots: number): Promise<Contender> {
  return openOn((deps) => createRedisBackend(deps, { url: redis.url }), slots);
}

/** Opens GoTaskQ as a library on an empty backend, with its defaults. */
export async function openOn(
  makeBackend: (deps: BackendDeps) => Backend & { readonly ids?: IdGenerator },
  slots: number,
): Promise<Contender> {
  const done = createCounter();
  const engine = createBenchEngine(makeBackend, {
    numWorkers: slots,
    handlers: { noop: (job) => checkPayload(job.payload) },
    observer: {
      ...silentObserver,
      settled(_kind, _queue, _type, status) {
        if (status === "DONE") done.add();
      },
    },
  });
  await engine.start();
  // The pool is started, but finds nothing to run until `work` resumes the queue.
  if (slots > 0) await engine.queues.pause(DEFAULT_QUEUE);
  const request = () => ({ type: "noop", payload: JSON.stringify(newPayload()) });
  return {
    create: () => engine.jobs.create(request()),
    createBatch: (count) => engine.jobs.createBatch(Array.from({ length: count }, request)),
    async work() {
      await engine.queues.resume(DEFAULT_QUEUE);
    },
    done: (count) => done.reached(count),
    async counts() {
      const { stats } = await engine.queues.get(DEFAULT_QUEUE);
      return { waiting: stats.ready, done: stats.done };
    },
    close: () => engine.stop(10_000),
  };
}
