import { Queue, Worker } from "bunqueue/client";
import { BATCH_SIZE, concurrency, createRunCounter, driveClient, newPayload, role } from "./drive.js";

// bunqueue's client, or worker, of the server at port TCP_PORT, with its defaults. Runs under Bun, in the folder that both
// were brought into.

const connection = { host: "127.0.0.1", port: Number(process.env.TCP_PORT) };

if (role === "worker") {
  const counter = createRunCounter();
  // Takes as many jobs in one call as it runs at a time: faster here than its default of 10.
  const options = { connection, concurrency, batchSize: concurrency };
  new Worker("default", async (job) => counter.ran(job.data), options);
  await counter.drive();
} else {
  const queue = new Queue("default", { connection });
  const job = () => ({ name: "noop", data: newPayload() });
  await driveClient({
    create: () => queue.add("noop", newPayload()),
    batch: () => queue.addBulk(Array.from({ length: BATCH_SIZE }, job)),
    pause: () => queue.pauseAsync(),
    resume: () => queue.resumeAsync(),
  });
}
