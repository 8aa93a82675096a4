import { createWorker } from "gotaskq/client";
import { checkPayload } from "./load.js";

// A worker in a process of its own: runs no-op jobs of the server at `SERVER_URL`, and says so whenever it has
// run one of the numbers in `JOBS`.

const told = new Set(process.env.JOBS?.split(",").map(Number));
let ran = 0;
const worker = createWorker({
  url: process.env.SERVER_URL ?? "",
  concurrency: Number(process.env.CONCURRENCY),
  prefetch: Number(process.env.PREFETCH),
  stopOnSignals: true,
  handlers: {
    noop(job) {
      checkPayload(job.payload);
      if (told.has(++ran)) setImmediate(settled);
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
