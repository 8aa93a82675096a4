import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus, UniqueConflict, UniqueUntil } from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { finished, jsonOf, payload, present, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";

const { KEEP, REPLACE, REFUSE } = UniqueConflict;

let server: TestServer;
let jobs: TestServer["jobs"];
let queue: string;

beforeAll(async () => {
  server = await startTestServer();
  jobs = server.jobs;
});

type Given = Omit<MessageInitShape<typeof CreateJobRequestSchema>, "unique" | "$typeName"> & {
  readonly unique?: { readonly until?: UniqueUntil; readonly hold?: Duration };
};

/** Creates a job with a key in the queue of the test. */
const create = (key: string, given: Given = {}, onConflict = KEEP) =>
  jobs.createJob({ queue, type: "nobody-takes", ...given, unique: { key, ...given.unique, onConflict } });

describe("a unique job", () => {
  test("is told with what it is the only one of, in all answers", async () => {
    queue = await newQueue(server, "unique");
    const hold = durationFromMs(3_600_000);
    const { job, deduplicated, replaced } = await create("a", { unique: { until: UniqueUntil.STARTED, hold } });
    expect([deduplicated, replaced]).toEqual([false, false]);
    const unique = { key: "a", until: UniqueUntil.STARTED, hold, onConflict: UniqueConflict.UNSPECIFIED };
    expect(job?.unique).toMatchObject(unique);
    expect((await jobs.getJob({ id: present(job).id })).job?.unique).toMatchObject(unique);
    expect((await jobs.listJobs({ queue })).jobs[0]?.unique).toMatchObject(unique);
    expect((await create("b")).job?.unique).toMatchObject({ key: "b", until: UniqueUntil.FINISHED });
    expect((await create("c", {}, REPLACE)).job?.unique?.until).toBe(UniqueUntil.STARTED);
    expect((await jobs.createJob({ queue, type: "x" })).job?.unique).toBeUndefined();
  });

  test("is kept by a create that meets it, or becomes what that asks for", async () => {
    queue = await newQueue(server, "met");
    const id = present((await create("a", { payloadKind: payload(1) })).job).id;
    const kept = await create("a", { payloadKind: payload(2) });
    expect(kept).toMatchObject({ job: { id, revision: 1 }, deduplicated: true, replaced: false });
    expect(jsonOf(present(kept.job).payloadKind)).toBe(1);
    const replaced = await create("a", { payloadKind: payload(3), priority: 7, type: "other" }, REPLACE);
    const changed = { id, revision: 2, priority: 7, type: "other", unique: { until: UniqueUntil.FINISHED } };
    expect(replaced).toMatchObject({ job: changed, deduplicated: true, replaced: true });
    expect(jsonOf(present((await jobs.getJob({ id })).job).payloadKind)).toBe(3);
  });

  test("refuses a create that wants it so, alone and in a batch, and says which job is there", async () => {
    queue = await newQueue(server, "refused");
    const id = present((await create("a")).job).id;
    expect(await refusal(create("a", {}, REFUSE))).toMatchObject({
      ...{ code: "ALREADY_EXISTS", reason: "JOB_EXISTS", metadata: { job_id: id } },
      message: expect.stringContaining(`unique: job ${id} holds the key "a"`),
    });
    const requests = ["b", "a"].map((key) => ({ queue, type: "x", unique: { key, onConflict: REFUSE } }));
    expect(await refusal(jobs.batchCreateJobs({ requests }))).toMatchObject({
      ...{ reason: "JOB_EXISTS", metadata: { job_id: id, index: "1" } },
      message: expect.stringContaining("requests[1].unique: "),
    });
    expect((await create("b")).deduplicated).toBe(false);
  });

  test("of a batch is met by those after it", async () => {
    queue = await newQueue(server, "batch");
    const request = { queue, type: "x", unique: { key: "a", onConflict: REPLACE } };
    const { results } = await jobs.batchCreateJobs({
      requests: [request, request, { ...request, unique: { key: "a" } }],
    });
    expect(results).toMatchObject([
      { deduplicated: false, replaced: false },
      { deduplicated: true, replaced: true },
      { deduplicated: true, replaced: false },
    ]);
    expect(new Set(results.map(({ jobId }) => jobId)).size).toBe(1);
  });

  test("is free again once it has run, unless it is held", async () => {
    queue = await newQueue(server, "held");
    for (const [key, hold] of [["free"], ["held", durationFromMs(3_600_000)]] as const) {
      const request = { type: "echo", payloadKind: payload(key), unique: hold ? { hold } : {} };
      const { id } = await finished(server, present((await create(key, request)).job).id);
      const again = await create(key, request);
      expect([key, again.deduplicated, again.job?.id === id]).toEqual([key, hold !== undefined, hold !== undefined]);
      if (hold !== undefined) expect(again.job?.status).toBe(JobStatus.DONE);
    }
  });

  test("that is dead is not replayed while another has its key", async () => {
    queue = await newQueue(server, "dead");
    const { id } = present((await create("a", { type: "fail", maxRetries: 0 })).job);
    expect((await finished(server, id)).status).toBe(JobStatus.DEAD);
    const other = present((await create("a")).job).id;
    expect(other).not.toBe(id);
    expect(await refusal(server.dlq.replayDeadJob({ id }))).toMatchObject({
      ...{ code: "FAILED_PRECONDITION", reason: "JOB_STATE_CONFLICT" },
      metadata: { job_id: id, status: "DEAD", held_by: other },
    });
    expect(await server.dlq.replayDeadJobs({ filter: { queue } })).toMatchObject({ count: 0 });
    await jobs.cancelJob({ id: other });
    expect((await server.dlq.replayDeadJob({ id })).job?.status).toBe(JobStatus.PENDING);
  });

  test("is not what a request_id says: that is looked at first, and a client's own tells what the first call did", async () => {
    queue = await newQueue(server, "repeats");
    const first = await create("a", { requestId: "auto:1" });
    expect(await create("a", { requestId: "auto:1" })).toEqual({ ...first, deduplicated: false });
    expect(await create("a", { requestId: "auto:2" })).toMatchObject({
      deduplicated: true,
      job: { id: first.job?.id },
    });
    await jobs.cancelJob({ id: present(first.job).id });
    expect(await create("a", { requestId: "auto:2" })).toMatchObject({
      deduplicated: true,
      job: { id: first.job?.id },
    });
    const other = create("a", { requestId: "auto:2", unique: { until: UniqueUntil.STARTED } });
    expect(await refusal(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });
});
