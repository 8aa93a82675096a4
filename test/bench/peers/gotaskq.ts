import { createClient, createWorker } from "gotaskq/client";
import { BATCH_SIZE, concurrency, createRunCounter, driveClient, newPayload, role } from "./drive.js";

// The TypeScript client, or worker, of the server at GOTASKQ_URL, with its defaults. The worker takes short jobs ahead.

const prefetch = Number(process.env.PREFETCH);
const url = process.env.GOTASKQ_URL ?? "";

if (role === "worker") {
  const counter = createRunCounter();
  const worker = createWorker({
    ...{ url, concurrency, prefetch },
    handlers: { noop: (job) => counter.ran(job.payload) },
  });
  await worker.start();
  await counter.drive();
} else {
  const client = createClient(url);
  const job = () => ({ type: "noop", payload: newPayload() });
  await driveClient({
    create: () => client.create(job()),
    batch: () => client.createBatch(Array.from({ length: BATCH_SIZE }, job)),
    pause: () => client.queues.pause("default"),
    resume: () => client.queues.resume("default"),
  });
}
