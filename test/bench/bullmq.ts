import { createRequire } from "node:module";
import { Queue, Worker } from "bullmq";
import type { Contender } from "./contender.js";
import { createCounter } from "./contender.js";
import { checkPayload, newPayload } from "./load.js";
import type { BenchRedis } from "./redis.js";

const manifest: { version: string } = createRequire(import.meta.url)("bullmq/package.json");

/** The version of BullMQ that is measured. */
export const bullMqVersion = manifest.version;

/**
 * Opens BullMQ on this Redis with its defaults. Like GoTaskQ, it keeps finished jobs and writes its events to a stream.
 */
export async function openBullMq(redis: BenchRedis, slots: number): Promise<Contender> {
  const done = createCounter();
  const connection = { ...redis.address };
  const queue = new Queue("default", { connection });
  await queue.waitUntilReady();
  let worker: Worker | undefined;
  if (slots > 0) {
    const noop = async (job: { data: { text: string } }) => checkPayload(job.data);
    worker = new Worker("default", noop, { connection, concurrency: slots, autorun: false });
    worker.on("completed", () => done.add());
    await worker.waitUntilReady();
  }
  return {
    create: () => queue.add("noop", newPayload()),
    createBatch: (count) => queue.addBulk(Array.from({ length: count }, () => ({ name: "noop", data: newPayload() }))),
    async work() {
      // `run` resolves only when the worker ends.
      void worker?.run();
    },
    done: (count) => done.reached(count),
    async counts() {
      const { waiting = 0, completed = 0 } = await queue.getJobCounts("waiting", "completed");
      return { waiting, done: completed };
    },
    async close() {
      await worker?.close();
      await queue.close();
    },
  };
}
