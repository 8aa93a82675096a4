import { setMaxListeners } from "node:events";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { startTestServer } from "../../support/server.js";
import { within } from "../../support/wait.js";
import { refOf, WORKER } from "../../support/worker.js";

/** The number of streams, and of polls. */
const EACH = 100;
const JOBS = 2000;

test("100 streams and 100 polls on one queue each get their part of the jobs, in the order of the queue", async () => {
  const server = await startTestServer();
  const leave = new AbortController();
  setMaxListeners(0, leave.signal);
  const options = { signal: leave.signal };
  const served = new Map<string, number>();
  const order: string[] = [];
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });

  const take = async (name: string, lease: Parameters<typeof refOf>[0]) => {
    served.set(name, (served.get(name) ?? 0) + 1);
    order.push(refOf(lease).jobId);
    await server.workers.completeJobs({ completions: [refOf(lease)] });
    if (order.length === JOBS) finish();
  };
  const stream = async (worker: string) => {
    for await (const { event } of server.workers.streamJobs({ ...WORKER, worker }, options)) {
      if (event.case === "lease") await take(worker, event.value);
    }
  };
  const poll = async (worker: string) => {
    while (!leave.signal.aborted) {
      const request = { ...WORKER, worker, wait: durationFromMs(60_000) };
      const { leases } = await server.workers.leaseJobs(request, options);
      for (const lease of leases) await take(worker, lease);
    }
  };
  const quietly = (work: Promise<void>) =>
    work.catch((error) => {
      if (ConnectError.from(error).code !== Code.Canceled) throw error;
    });
  const names = Array.from({ length: EACH }, (_, at) => at);
  const workers = [
    ...names.map((at) => quietly(stream(`stream-${at}`))),
    ...names.map((at) => quietly(poll(`poll-${at}`))),
  ];
  // Fewer at a time than there are workers, so that some always wait for the next.
  const batch = EACH / 2;
  for (let made = 0; made < JOBS; made += batch) {
    await server.jobs.batchCreateJobs({ requests: Array.from({ length: batch }, () => ({ type: "work" })) });
    while (order.length < made) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await within(finished, "all jobs", 20_000);
  leave.abort();
  await Promise.all(workers);

  const counts = [...served.values()];
  expect(served.size).toBe(2 * EACH);
  expect(Math.max(...counts)).toBeLessThanOrEqual(2 * Math.min(...counts));
  // Each job once. Messages on different streams may overtake one another by a few.
  expect(new Set(order).size).toBe(JOBS);
  const places = [...order].sort((a, b) => Number(BigInt(a) - BigInt(b)));
  const place = new Map(places.map((id, at) => [id, at]));
  const moved = order.map((id, at) => Math.abs((place.get(id) ?? 0) - at));
  expect(Math.max(...moved)).toBeLessThan(4 * EACH);
});
