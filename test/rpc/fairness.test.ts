import { expect, test } from "vitest";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { isScan } from "../../src/rpc/fast/call-size.js";
import { created } from "../support/rpc.js";
import { startTestServer } from "../support/server.js";
import { GRPC } from "../support/transports.js";

const CALLS = 24;

test.each([
  ["a count", "countJobs"],
  ["a page", "listJobs"],
] as const)("%s of one connection is not behind all those that another asked for before", async (_what, method) => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  for (let made = 0; made < 8000; made += 1000) {
    await server.jobs.batchCreateJobs({ requests: Array.from({ length: 1000 }, () => ({ type: "kept" })) });
  }
  const [greedy, other] = [server.connect(GRPC), server.connect(GRPC)];
  // Both connections are there before it begins.
  const id = await created(other, { type: "kept" });
  await created(greedy, { type: "kept" });
  let answered = 0;
  const all = Array.from({ length: CALLS }, () =>
    greedy.jobs[method]({ filter: { errorContains: "nothing" } }).then(() => answered++),
  );
  await Promise.race(all);
  await other.jobs.getJob({ id });
  const atOrdinary = answered;
  await other.jobs[method]({ filter: { errorContains: "nothing" } });
  const atScan = answered;
  await Promise.all(all);
  expect(atOrdinary).toBeLessThan(CALLS / 2);
  expect(atScan).toBeLessThan(CALLS / 2 + 4);
  expect(answered).toBe(CALLS);
});

test("methods that look through the store are known by names that exist", () => {
  const names = [JobService, QueueService, DlqService].flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => `${typeName}/${name}`),
  );
  const bulk = /\/(List|Count|Cancel|Delete|Replay|Purge|Summarize)\w+s$|PurgeQueue$/;
  expect(names.filter(isScan)).toEqual(names.filter((name) => bulk.test(name)));
});
