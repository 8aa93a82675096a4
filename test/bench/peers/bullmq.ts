import { Queue, Worker } from "bullmq";
import { BATCH_SIZE, concurrency, createRunCounter, driveClient, newPayload, role } from "./drive.js";

// BullMQ on the Redis at REDIS_URL, with its defaults. Runs in the folder that BullMQ was brought into.

const { hostname: host, port } = new URL(process.env.REDIS_URL ?? "");
const connection = { host, port: Number(port) };

if (role === "worker") {
  const counter = createRunCounter();
  const worker = new Worker("default", async (job) => counter.ran(job.data), { connection, concurrency });
  await worker.waitUntilReady();
  await counter.drive();
} else {
  const queue = new Queue("default", { connection });
  await queue.waitUntilReady();
  const job = () => ({ name: "noop", data: newPayload() });
  await driveClient({
    create: () => queue.add("noop", newPayload()),
    batch: () => queue.addBulk(Array.from({ length: BATCH_SIZE }, job)),
    pause: () => queue.pause(),
    resume: () => queue.resume(),
  });
}
