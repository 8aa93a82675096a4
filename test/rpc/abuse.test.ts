import { expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { created, finished, payload, present, reading, refusal } from "../support/rpc.js";
import { startTestServer } from "../support/server.js";
import { CONNECT_JSON, GRPC } from "../support/transports.js";

test.each([GRPC, CONNECT_JSON])(
  "a batch of 1000 bad jobs is refused with a readable part of what is wrong: $name",
  async (kind) => {
    const { jobs } = (await startTestServer()).connect(kind);
    const requests = Array.from({ length: 1000 }, () => ({ type: "", priority: 99 }));
    const seen = await refusal(jobs.batchCreateJobs({ requests }));
    expect(seen).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
    expect(seen.fields.length).toBeGreaterThan(10);
    expect(seen.fields.slice(0, 3)).toEqual(["requests[0].type", "requests[0].priority", "requests[1].type"]);
    expect(seen.metadata).toEqual({ more_violations: String(2000 - seen.fields.length) });
    expect(seen.message).toMatch(/; and 19\d\d more$/);
  },
);

test.each(["statuses", "queues", "types"])("a filter with 40,000 %s is refused for its length alone", async (field) => {
  const { jobs } = await startTestServer();
  const list = Array.from({ length: 40_000 }, () => (field === "statuses" ? 99 : "default"));
  const stream = reading(jobs.watchJobs({ [field]: list }));
  expect(await refusal(stream.rest())).toMatchObject({ reason: "FIELD_INVALID", fields: [field] });
});

test("a mask with 20,000 paths is refused for its length alone", async () => {
  const { queues } = await startTestServer();
  const paths = Array.from({ length: 20_000 }, (_, index) => `settings.x${index}`);
  const seen = await refusal(queues.updateQueue({ queue: { name: "default" }, updateMask: { paths } }));
  expect(seen).toMatchObject({ reason: "FIELD_INVALID", fields: ["update_mask.paths"] });
});

test("a page over many queues of large jobs stays below 4 MiB, and the pages have them all", async () => {
  const server = await startTestServer();
  const ids: string[] = [];
  for (let index = 0; index < 8; index++) {
    await server.queues.createQueue({ name: `large-${index}` });
    const text = "x".repeat(1_000_000);
    ids.push(await created(server, { queue: `large-${index}`, type: "kept", payloadKind: payload(text) }));
  }
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await server.jobs.listJobs({ pageSize: 1000, pageToken });
    expect(page.jobs.length).toBeLessThan(4);
    listed.push(...page.jobs.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(ids.reverse());
});

test("handlers that never wait leave the server time to answer while a backlog runs", async () => {
  const server = await startTestServer({}, { handlers: { quick: () => undefined } });
  await server.queues.pauseQueue({ name: "default" });
  for (let made = 0; made < 20_000; made += 1000) {
    await server.jobs.batchCreateJobs({ requests: Array.from({ length: 1000 }, () => ({ type: "quick" })) });
  }
  await server.queues.resumeQueue({ name: "default" });
  const { queue } = await server.queues.getQueue({ name: "default" });
  // Answered between two turns of the pool, not after the last job.
  expect(present(present(queue).stats).ready).toBeGreaterThan(0);
  const waiting = { queue: "default", statuses: [JobStatus.PENDING], pageSize: 1 };
  while ((await server.jobs.listJobs(waiting)).jobs.length > 0);
});

test("a stream whose deadline passes ends with DEADLINE_EXCEEDED", async () => {
  const { jobs } = await startTestServer();
  const stream = reading(jobs.watchJobs({}, { timeoutMs: 50 }));
  expect(await refusal(stream.rest())).toMatchObject({ code: "DEADLINE_EXCEEDED" });
});

test("a time long past runs a job at once", async () => {
  const server = await startTestServer();
  const runAfter = { seconds: -62_135_596_800n, nanos: 0 };
  const id = await created(server, { type: "echo", schedule: { case: "runAfter", value: runAfter } });
  expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE });
});
