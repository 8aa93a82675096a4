import { createWorker } from "gotaskq/client";
import { checkPayload } from "./load.js";

// A worker in a process of its own: runs `JOBS` no-op jobs of the server at `SERVER_URL`, then says so.

const jobs = Number(process.env.JOBS);
let ran = 0;
const worker = createWorker({
  url: process.env.SERVER_URL ?? "",
  concurrency: Number(process.env.CONCURRENCY),
  prefetch: Number(process.env.PREFETCH),
  stopOnSignals: true,
  handlers: {
    noop(job) {
      checkPayload(job.payload);
      if (++ran === jobs) setImmediate(settled);
    },
  },
});

/** Waits until the server has answered the last outcome. */
function settled(): void {
  if (worker.jobIds.length > 0) setImmediate(settled);
  else process.stdout.write("settled\n");
}

await worker.start();
process.stdout.write("ready\n");
