import { createTaskQueue } from "gotaskq";
import { BATCH_SIZE, concurrency, createRunCounter, driveClient, newPayload, role } from "./drive.js";

// The library on the Redis at REDIS_URL, with its defaults: a process that creates jobs, or one that runs them.

const redisUrl = process.env.REDIS_URL ?? "";

if (role === "worker") {
  const counter = createRunCounter();
  const handlers = { noop: (job: { payload: { text: string } }) => counter.ran(job.payload) };
  const queue = createTaskQueue({ redisUrl, handlers, numWorkers: concurrency });
  await queue.start();
  await counter.drive();
} else {
  const queue = createTaskQueue({ redisUrl, handlers: {}, numWorkers: 0 });
  await queue.start();
  const job = () => ({ type: "noop", payload: newPayload() });
  await driveClient({
    create: () => queue.create(job()),
    batch: () => queue.createBatch(Array.from({ length: BATCH_SIZE }, job)),
    pause: () => queue.queues.pause("default"),
    resume: () => queue.queues.resume("default"),
  });
}
