import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus, type JobView, type ListOrder, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import { compareNumbers, numberOf } from "../../../src/model/queue/ids.js";
import { created, finished, present, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";

const { PENDING, DONE } = JobStatus;

let server: TestServer;
let jobs: TestServer["jobs"];

beforeAll(async () => {
  server = await startTestServer({ QUEUES: "a,b" });
  jobs = server.jobs;
});

describe("GetJob", () => {
  test("takes the id, and the bare number with its queue", async () => {
    const { job: made } = await jobs.createJob({ queue: "a", type: "x" });
    const { id } = present(made);
    // The answer of a create does not tell what the job waits for.
    expect(made?.pendingState).toBe(PendingState.UNSPECIFIED);
    const job = { ...made, pendingState: PendingState.READY };
    const number = numberOf(id);
    expect(id).toBe(`${number}@a`);
    for (const queue of ["", "a"]) expect((await jobs.getJob({ id, queue })).job).toEqual(job);
    expect((await jobs.getJob({ id: number, queue: "a" })).job).toEqual(job);
    for (const queue of ["", "default", "b", "nowhere"]) {
      expect((await refusal(jobs.getJob({ id: number, queue }))).reason).toBe("JOB_NOT_FOUND");
    }
  });

  test("refuses an id beside another queue than its own", async () => {
    const named = await refusal(jobs.getJob({ id: "1@a", queue: "b" }));
    expect(named.fields).toEqual(["queue"]);
    expect(named.message).toContain("is not the queue that the id names: a");
    expect((await refusal(jobs.getJob({ id: "1", queue: "B!" }))).fields).toEqual(["queue"]);
  });
});

describe("ListJobs", () => {
  test("lists the newest first over all queues", async () => {
    const [second, first] = [await newQueue(server, "list-2"), await newQueue(server, "list-1")];
    const type = "listed-by-queue";
    const ids: string[] = [];
    for (const queue of [first, second, first, second]) ids.push(await created(server, { queue, type }));
    const listed = (await jobs.listJobs({ type })).jobs;
    expect(listed.map(({ id }) => id)).toEqual(ids.reverse());
  });

  test("lists only what matches queue, type and statuses", async () => {
    const queue = await newQueue(server, "list-filter");
    const waiting = await created(server, { queue, type: "x" });
    const canceled = await created(server, { queue, type: "x" });
    const done = await created(server, { queue, type: "echo" });
    await jobs.cancelJob({ id: canceled });
    await finished(server, done);
    const list = async (filter: object) =>
      (await jobs.listJobs({ queue, ...filter })).jobs
        .map(({ id }) => id)
        .sort((a, b) => compareNumbers(numberOf(a), numberOf(b)));
    expect(await list({})).toEqual([waiting, canceled, done]);
    expect(await list({ type: "x" })).toEqual([waiting, canceled]);
    expect(await list({ statuses: [PENDING] })).toEqual([waiting]);
    expect(await list({ statuses: [JobStatus.CANCELED, DONE] })).toEqual([canceled, done]);
    expect(await list({ statuses: [DONE], type: "x" })).toEqual([]);
    expect(await list({ statuses: [JobStatus.RUNNING, JobStatus.DEAD] })).toEqual([]);
  });

  test("lists every job exactly once, page by page, over several queues", async () => {
    const type = "paged";
    const names = [
      await newQueue(server, "page-a"),
      await newQueue(server, "page-b"),
      await newQueue(server, "page-c"),
    ];
    const requests = Array.from({ length: 23 }, (_, index) => ({ queue: names[index % 3] ?? "", type }));
    const { results } = await jobs.batchCreateJobs({ requests });
    const seen: string[] = [];
    const sizes: number[] = [];
    let pageToken = "";
    do {
      const page = await jobs.listJobs({ type, pageSize: 5, pageToken });
      seen.push(...page.jobs.map(({ id }) => id));
      sizes.push(page.jobs.length);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect([...seen].sort()).toEqual(results.map(({ jobId }) => jobId).sort());
    expect(Math.max(...sizes)).toBe(5);
  });

  test("shows jobs that are created between two pages on none of the later ones", async () => {
    const queue = await newQueue(server, "page-new");
    const make = () => created(server, { queue, type: "x" });
    const old = [await make(), await make(), await make()];
    const first = await jobs.listJobs({ queue, pageSize: 2 });
    await make();
    const second = await jobs.listJobs({ queue, pageSize: 2, pageToken: first.nextPageToken });
    expect(second.jobs.map(({ id }) => id)).toEqual([old[0]]);
  });

  test("lists 50 jobs a page unless told otherwise", async () => {
    const queue = await newQueue(server, "page-default");
    await jobs.batchCreateJobs({ requests: Array.from({ length: 51 }, () => ({ queue, type: "x" })) });
    expect((await jobs.listJobs({ queue })).jobs).toHaveLength(50);
    expect((await jobs.listJobs({ queue, pageSize: 1000 })).jobs).toHaveLength(51);
  });

  test("keeps a page of large jobs within the size of a message", async () => {
    const queue = await newQueue(server, "page-large");
    const value = new Uint8Array(1024 * 1024);
    for (let count = 0; count < 5; count++) {
      await created(server, { queue, type: "x", payloadKind: { case: "payloadBytes", value } });
    }
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await jobs.listJobs({ queue, pageToken });
      expect(page.jobs.length).toBeLessThan(4);
      seen.push(...page.jobs.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(new Set(seen).size).toBe(5);
  });
});

describe("a filter", () => {
  test("is refused with every bad field, as the request names them", async () => {
    const filter = {
      ...{ queues: ["?"], types: ["", "ok"], ids: ["x"], metadata: { "": "" }, worker: "w".repeat(200) },
      ...{ statuses: [99 as JobStatus], errorContains: "x".repeat(5000), createdAfter: { seconds: 1n, nanos: -1 } },
    };
    const listed = await refusal(
      jobs.listJobs({ filter, queue: "a", type: "t", statuses: [DONE], order: 9 as ListOrder, view: 9 as JobView }),
    );
    expect([...listed.fields].sort()).toEqual(
      [
        ...["filter.created_after", "filter.error_contains", "filter.ids[0]", 'filter.metadata key ""'],
        ...["filter.queues[0]", "filter.statuses[0]", "filter.types[0]", "filter.worker"],
        ...["order", "queue", "type", "view"],
      ].sort(),
    );
    const changed = await refusal(jobs.cancelJobs({ filter, max: -1 }));
    expect(changed.fields).toEqual(expect.arrayContaining(["filter.queues[0]", "filter.created_after", "max"]));
    const both = { statuses: [DONE], filter: { statuses: [PENDING] } };
    expect((await refusal(jobs.listJobs(both))).fields).toEqual(["statuses"]);
    expect((await refusal(server.dlq.listDeadJobs({ queue: "a", filter: { queue: "b" } }))).fields).toEqual(["queue"]);
    expect((await refusal(server.dlq.summarizeDeadJobs({ maxGroups: 5000 }))).fields).toEqual(["max_groups"]);
    expect((await refusal(jobs.deleteJobs({ filter: { statuses: [PENDING] } }))).fields).toEqual([
      ...["filter.statuses[0]"],
    ]);
    expect((await refusal(jobs.countJobs({ filter: { queues: ["nowhere"] } }))).reason).toBe("QUEUE_NOT_FOUND");
    expect((await refusal(jobs.countJobs({ pageToken: "x" }))).reason).toBe("PAGE_TOKEN_INVALID");
  });
});
