import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { ReplayDeadJobsRequestSchema } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { createSystemClock } from "../../../src/core/clock.js";
import { PermanentError } from "../../../src/model/handler/handler-errors.js";
import { created, finished, payload, present, reaches, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";

const { PENDING, DONE, DEAD } = JobStatus;

let server: TestServer;
let dlq: TestServer["dlq"];

/** Whether the jobs of this server succeed now. */
let isRepaired = false;

/** How far the clock of the server is ahead, ms. */
let aheadMs = 0;

beforeAll(async () => {
  const system = createSystemClock();
  const clock = { ...system, now: () => system.now() + aheadMs };
  server = await startTestServer(
    { BASE_DELAY: "0", MAX_RETRIES: "1" },
    {
      clock,
      handlers: {
        work: (job) => {
          if (isRepaired) return "repaired";
          throw new PermanentError(String(job.payload ?? "broken"));
        },
        other: () => {
          throw new Error("other trouble");
        },
      },
    },
  );
  dlq = server.dlq;
});

/** Creates a job and lets it die. Returns its id. */
async function bury(queue: string, error = "broken", type = "work"): Promise<string> {
  const id = await created(server, { queue, type, payloadKind: payload(error) });
  await reaches(server, id, DEAD);
  return id;
}

/** Lets several jobs die, a second apart. */
async function buryInTurn(queue: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made++) {
    ids.push(await bury(queue, `broken ${made}`));
    aheadMs += 1000;
  }
  return ids;
}

async function deadIn(queue: string): Promise<string[]> {
  return (await dlq.listDeadJobs({ queue, pageSize: 1000 })).jobs.map(({ id }) => id);
}

async function diedAt(id: string): Promise<Timestamp> {
  return present((await dlq.getDeadJob({ id })).job?.finishedAt);
}

describe("ListDeadJobs", () => {
  test("lists the latest death first over all queues", async () => {
    const [second, first] = [await newQueue(server, "list-2"), await newQueue(server, "list-1")];
    const [a = ""] = await buryInTurn(second, 1);
    const [c = ""] = await buryInTurn(first, 1);
    const [b = ""] = await buryInTurn(second, 1);
    const [d = ""] = await buryInTurn(first, 1);
    await created(server, { queue: first, type: "unknown-to-all" });
    const listed = (await dlq.listDeadJobs({ type: "work" })).jobs;
    expect(listed.map(({ id }) => id)).toEqual([d, b, c, a]);
    expect(listed.every(({ status }) => status === DEAD)).toBe(true);
    expect(await deadIn(first)).toEqual([d, c]);
  });

  test("lists only the asked type, page by page", async () => {
    const queue = await newQueue(server, "list-pages");
    const ids = await buryInTurn(queue, 3);
    await bury(queue, "", "other");
    const first = await dlq.listDeadJobs({ queue, type: "work", pageSize: 2 });
    const second = await dlq.listDeadJobs({ queue, type: "work", pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.jobs, ...second.jobs].map(({ id }) => id)).toEqual(ids.reverse());
    expect([first.jobs.length, second.nextPageToken]).toEqual([2, ""]);
  });

  test("refuses a token of another listing", async () => {
    const queue = await newQueue(server, "list-token");
    await buryInTurn(queue, 2);
    const { nextPageToken: pageToken } = await dlq.listDeadJobs({ queue, pageSize: 1 });
    expect(pageToken).not.toBe("");
    for (const other of [{ queue, type: "work", pageToken }, { pageToken }]) {
      expect(await refusal(dlq.listDeadJobs(other))).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "PAGE_TOKEN_INVALID",
        fields: ["page_token"],
      });
    }
    expect(await refusal(server.jobs.listJobs({ queue, pageToken }))).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  });
});

describe("GetDeadJob", () => {
  test("reads a dead job with what killed it", async () => {
    const queue = await newQueue(server, "get");
    const id = await bury(queue, "no such file");
    const { job } = await dlq.getDeadJob({ id });
    expect(job).toMatchObject({ id, queue, status: DEAD, error: "no such file", deliveries: 1 });
    expect(job).toEqual((await server.jobs.getJob({ id })).job);
  });

  test("is refused for a job that is not dead", async () => {
    const id = await created(server, { type: "unknown-to-all" });
    expect(await refusal(dlq.getDeadJob({ id }))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "JOB_STATE_CONFLICT",
      metadata: { job_id: id, status: "PENDING" },
    });
  });
});

describe("ReplayDeadJob", () => {
  test("puts a job back into its queue with all its retries", async () => {
    const queue = await newQueue(server, "replay");
    const id = await bury(queue, "", "other");
    await server.queues.pauseQueue({ name: queue });
    const { job } = await dlq.replayDeadJob({ id });
    expect(job).toMatchObject({ id, queue, status: PENDING, retryCount: 0, lostLeases: 0, deliveries: 2 });
    expect(job?.error).toBe("other trouble");
    expect(job?.finishedAt).toBeUndefined();
    expect(timestampMs(present(job?.runAfter))).toBeLessThanOrEqual(timestampMs(present(job?.updatedAt)));
    expect(await deadIn(queue)).toEqual([]);
    await server.queues.resumeQueue({ name: queue });
    expect(await finished(server, id)).toMatchObject({ status: DEAD, retryCount: 1, deliveries: 4 });
  });

  test("lets a repaired job be done", async () => {
    const queue = await newQueue(server, "replay-repaired");
    const id = await bury(queue);
    isRepaired = true;
    await dlq.replayDeadJob({ id });
    expect(await finished(server, id)).toMatchObject({ status: DONE });
    isRepaired = false;
  });

  test("replays a job once when many ask at the same time", async () => {
    const queue = await newQueue(server, "replay-race");
    const id = await bury(queue);
    await server.queues.pauseQueue({ name: queue });
    const asked = await Promise.allSettled(Array.from({ length: 10 }, () => dlq.replayDeadJob({ id })));
    expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await refusal(dlq.replayDeadJob({ id }))).toMatchObject({ reason: "JOB_STATE_CONFLICT" });
  });
});

describe("DeleteDeadJob", () => {
  test("deletes one dead job and no other one", async () => {
    const queue = await newQueue(server, "delete");
    const [kept = "", id = ""] = await buryInTurn(queue, 2);
    await dlq.deleteDeadJob({ id });
    expect(await deadIn(queue)).toEqual([kept]);
    expect(await refusal(dlq.deleteDeadJob({ id }))).toMatchObject({ code: "NOT_FOUND", reason: "JOB_NOT_FOUND" });
    const waiting = await created(server, { queue, type: "unknown-to-all" });
    expect(await refusal(dlq.deleteDeadJob({ id: waiting }))).toMatchObject({ reason: "JOB_STATE_CONFLICT" });
  });
});

describe.each([
  ["ReplayDeadJobs", "replay"],
  ["PurgeDeadJobs", "purge"],
] as const)("%s", (_name, kind) => {
  const apply = (request: MessageInitShape<typeof ReplayDeadJobsRequestSchema>) => {
    const { filter, max, dryRun, all } = create(ReplayDeadJobsRequestSchema, request);
    const fields = { filter, max, dryRun, all };
    return kind === "replay" ? dlq.replayDeadJobs(fields) : dlq.purgeDeadJobs(fields);
  };

  /** A paused queue with jobs that died one after another. */
  async function graves(name: string, count: number): Promise<{ queue: string; ids: string[] }> {
    const queue = await newQueue(server, `${kind}-${name}`);
    const ids = await buryInTurn(queue, count);
    await server.queues.pauseQueue({ name: queue });
    return { queue, ids };
  }

  async function expectGone(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      if (kind === "replay") expect((await server.jobs.getJob({ id })).job).toMatchObject({ status: PENDING });
      else expect(await refusal(server.jobs.getJob({ id }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
    }
  }

  test("takes every job of a queue", async () => {
    const { queue, ids } = await graves("all", 3);
    expect((await apply({ filter: { queue } })).count).toBe(3);
    expect(await deadIn(queue)).toEqual([]);
    await expectGone(ids);
    expect((await apply({ filter: { queue } })).count).toBe(0);
  });

  test("only counts when it is asked to", async () => {
    const { queue, ids } = await graves("dry", 3);
    expect((await apply({ filter: { queue }, dryRun: true })).count).toBe(3);
    expect((await apply({ filter: { queue }, dryRun: true, max: 2 })).count).toBe(2);
    expect(await deadIn(queue)).toEqual(ids.reverse());
  });

  test("takes no more than the most, the oldest death first", async () => {
    const { queue, ids } = await graves("most", 3);
    expect((await apply({ filter: { queue }, max: 2 })).count).toBe(2);
    expect(await deadIn(queue)).toEqual(ids.slice(2));
    await expectGone(ids.slice(0, 2));
  });

  test("takes only what matches the whole filter", async () => {
    const { queue, ids } = await graves("filter", 4);
    const [, second = "", third = ""] = ids;
    const ranges = { diedAfter: await diedAt(second), diedBefore: await diedAt(third) };
    expect((await apply({ filter: { queue, type: "other" } })).count).toBe(0);
    expect((await apply({ filter: { queue, errorContains: "BROKEN" } })).count).toBe(0);
    expect((await apply({ filter: { queue, errorContains: "broken 0", ...ranges } })).count).toBe(0);
    expect((await apply({ filter: { queue, type: "work", errorContains: "broken", ...ranges } })).count).toBe(1);
    await expectGone([second]);
    expect(await deadIn(queue)).toEqual(ids.filter((id) => id !== second).reverse());
  });

  test("names every bad field", async () => {
    const wrong = { seconds: 0n, nanos: -1 };
    const filter = { queue: "No Queue", diedAfter: wrong, diedBefore: wrong };
    expect(await refusal(apply({ filter, max: -1 }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
      fields: ["filter.died_after", "filter.died_before", "filter.queue", "max"],
    });
    expect(await refusal(apply({ filter: { queue: "nowhere" } }))).toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  });

  test("takes every dead job of the server only when it is said", async () => {
    await graves("none", 1);
    const all = (await dlq.listDeadJobs({ pageSize: 1000 })).jobs.length;
    const wrong = { seconds: 0n, nanos: -1 };
    const refusals: [MessageInitShape<typeof ReplayDeadJobsRequestSchema>, string][] = [
      [{}, "filter"],
      [{ filter: {} }, "filter"],
      [{ filter: { queue: "" }, dryRun: true, max: 1 }, "filter"],
      [{ filter: { diedAfter: wrong } }, "filter.died_after"],
      [{ filter: { type: "other" }, all: true }, "all"],
      [{ filter: { diedBefore: timestampFromMs(0) }, all: true, dryRun: true }, "all"],
    ];
    for (const [request, field] of refusals) {
      expect(await refusal(apply(request))).toMatchObject({ reason: "FIELD_INVALID", fields: [field] });
    }
    expect((await apply({ all: true, dryRun: true })).count).toBe(all);
    expect((await apply({ filter: {}, all: true, max: 1 })).count).toBe(1);
    // The one that was replayed may have died again.
    expect([all - 1, all]).toContain((await apply({ filter: {}, all: true })).count);
    expect((await apply({ filter: { diedBefore: timestampFromMs(Date.UTC(2020, 0, 1)) } })).count).toBe(0);
  });
});
