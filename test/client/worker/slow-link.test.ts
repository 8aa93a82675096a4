import { createWorker } from "gotaskq/client";
import { expect, test } from "vitest";
import { startTestServer } from "../../support/server.js";
import { within } from "../../support/wait.js";
import { startProxy } from "../proxy.js";
import { atEnd, clientOf } from "../support.js";

test("a worker on a slow link runs jobs that take longer to arrive than their lease, each once", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0", MAX_LOST_LEASES: "0" });
  const client = clientOf(server.url);
  // 900 kB take 1.5 s, and a lease is 1 s.
  const proxy = await startProxy(server.port, 600_000);
  const jobs = await client.createBatch(
    Array.from({ length: 4 }, () => ({ type: "large", payload: "x".repeat(900_000), maxRetries: 0 })),
  );
  const ran: string[] = [];
  const worker = createWorker({
    url: proxy.url,
    handlers: { large: (job) => void ran.push(job.id) },
    concurrency: 10,
    leaseMs: 1000,
  });
  atEnd(() => worker.stop({ timeoutMs: 0 }));
  await worker.start();
  const done = await within(Promise.all(jobs.map(({ id }) => client.wait(id))), "all jobs", 30_000);
  for (const job of done) expect(job).toMatchObject({ status: "DONE", deliveries: 1, lostLeases: 0 });
  expect(ran.sort()).toEqual(jobs.map(({ id }) => id).sort());
});
