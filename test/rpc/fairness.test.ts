import { connect } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { ServerService } from "../../gen/gotaskq/v1/server_service_pb.js";
import { isScan } from "../../src/rpc/fast/call-size.js";
import { transportAs } from "../support/access.js";
import { created } from "../support/rpc.js";
import { startTestServer } from "../support/server.js";
import { GRPC } from "../support/transports.js";
import { within } from "../support/wait.js";

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

test.each<[what: string, method: string, path: string, type?: string]>([
  ["is refused", "POST", "/gotaskq.v1.JobService/CreateJob"],
  ["is refused with a type that is none", "POST", "/gotaskq.v1.JobService/CreateJob", "text/plain"],
  ["asks for a method that there is not", "POST", "/gotaskq.v1.JobService/Nothing"],
  ["asks for a page", "GET", "/livez"],
])(
  "who %s a thousand times at once does not have others wait for all of that",
  async (_what, method, path, type = "application/json") => {
    const token = "a-token-of-20-letters";
    const server = await startTestServer({ AUTH_TOKENS: `name=a token=${token} scopes=read`, NUM_WORKERS: "0" });
    const { getServerInfo } = createClient(ServerService, transportAs(server.url, token, "grpc"));
    const greedy = connect(server.url);
    const headers = {
      ":method": method,
      ":path": path,
      "content-type": type,
      authorization: "Bearer bad",
    };
    let answered = 0;
    const call = () =>
      new Promise<void>((resolve, reject) => {
        greedy
          .request(headers)
          .once("response", () => answered++)
          .once("error", reject)
          .once("close", resolve)
          .resume()
          .end();
      });
    // Both connections are there before it begins.
    await Promise.all([getServerInfo({}), call()]);
    answered = 0;
    const all = Promise.all(Array.from({ length: 1000 }, call));
    await getServerInfo({});
    const before = answered;
    await within(all, "all answers");
    greedy.destroy();
    expect(before).toBeLessThan(500);
    expect(answered).toBe(1000);
  },
);

test("methods that look through the store are known by names that exist", () => {
  const names = [JobService, QueueService, DlqService].flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => `${typeName}/${name}`),
  );
  const bulk = /\/(List|Count|Cancel|Delete|Replay|Purge|Summarize)\w+s$|PurgeQueue$/;
  expect(names.filter(isScan)).toEqual(names.filter((name) => bulk.test(name)));
});
