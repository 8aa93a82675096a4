import { createWorker, silentLogger } from "../../.build/src/client/index.js";
import { run } from "./handlers.mjs";

// A process with remote workers: one for each set of types in `SETS`, all on the server at `SERVER_URL`.

const leaseMs = Number(process.env.LEASE_MS);
const workers = JSON.parse(process.env.SETS ?? "[]").map((types, at) =>
  createWorker({
    url: process.env.SERVER_URL ?? "",
    handlers: Object.fromEntries(types.map((type) => [type, run])),
    concurrency: 4,
    prefetch: at % 3 === 0 ? 4 : 0,
    leaseMs,
    logger: silentLogger,
  }),
);
await Promise.all(workers.map((worker) => worker.start()));
process.stdout.write("ready\n");
