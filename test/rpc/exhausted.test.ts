import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { untilOpenStreams } from "../support/metrics.js";
import { created, finished, reading, refusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { signal } from "../support/signal.js";

/** An id that no job has. */
const NO_JOB = "1";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

describe("limits that pass", () => {
  test("QUEUE_FULL: as many jobs wait as may; it says when to try again", async () => {
    const name = "full";
    await server.queues.createQueue({ name, settings: { maxDepth: 1 } });
    const id = await created(server, { queue: name, type: "unknown-to-all", requestId: "same" });
    expect(await refusal(server.jobs.createJob({ queue: name, type: "echo" }))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "QUEUE_FULL",
      domain: "gotaskq",
      metadata: { queue: name, max_depth: "1" },
      retryMs: 1000,
    });
    const repeated = await server.jobs.createJob({ queue: name, type: "unknown-to-all", requestId: "same" });
    expect(repeated).toMatchObject({ deduplicated: true, job: { id } });
    await server.jobs.cancelJob({ id });
    expect(await finished(server, await created(server, { queue: name, type: "echo" }))).toMatchObject({
      deliveries: 1,
    });
  });

  test("TOO_MANY_STREAMS: as many streams are open as may; it says when to try again", async () => {
    const narrow = await startTestServer({ MAX_STREAMS: "1" });
    const leave = new AbortController();
    const open = reading(narrow.jobs.watchJobs({}, { signal: leave.signal }));
    await open.next();
    const calls = [
      () => reading(narrow.jobs.watchJobs({})).rest(),
      () => reading(narrow.jobs.watchJob({ id: NO_JOB })).rest(),
      () => reading(narrow.queues.watchQueues({})).rest(),
    ];
    for (const call of calls) {
      expect(await refusal(call())).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "TOO_MANY_STREAMS",
        domain: "gotaskq",
        metadata: { max_streams: "1" },
        retryMs: 5000,
      });
    }
    await created(narrow, { type: "unknown-to-all" });
    expect((await open.next()).event.case).toBe("change");
    leave.abort();
    await refusal(open.rest());
    await untilOpenStreams(narrow, 0);
    expect(await refusal(reading(narrow.jobs.watchJob({ id: NO_JOB })).rest())).toMatchObject({ code: "NOT_FOUND" });
    expect(await finished(narrow, await created(narrow, { type: "echo" }))).toMatchObject({ deliveries: 1 });
  });

  test("WATCH_COMPACTED: the cursor is older than the kept log, or of another server", async () => {
    const forgetful = await startTestServer({ CHANGE_LOG_SIZE: "1000" });
    const leave = new AbortController();
    const watch = ({ jobs }: TestServer, cursor: string) =>
      reading(jobs.watchJobs({ cursor }, { signal: leave.signal }));
    const { cursor } = await watch(forgetful, "").next();
    const many = (length: number) => ({ requests: Array.from({ length }, () => ({ type: "unknown-to-all" })) });
    await forgetful.jobs.batchCreateJobs(many(1000));
    expect((await watch(forgetful, cursor).next()).event.case).toBe("heartbeat");
    await forgetful.jobs.batchCreateJobs(many(1));
    for (const server of [forgetful, await startTestServer()]) {
      expect(await refusal(watch(server, cursor).rest())).toMatchObject({
        code: "OUT_OF_RANGE",
        reason: "WATCH_COMPACTED",
        domain: "gotaskq",
      });
    }
    leave.abort();
  });

  test("SERVER_DRAINING: creates are refused while running jobs finish, then streams end with it", async () => {
    const started = signal();
    const release = signal();
    const held = async () => {
      started.fire();
      await release.fired;
      return "done";
    };
    const leaving = await startTestServer({ SHUTDOWN_TIMEOUT: "30s" }, { handlers: { held } });
    const id = await created(leaving, { type: "held" });
    await started.fired;
    const jobStream = reading(leaving.jobs.watchJob({ id }));
    const openStream = reading(leaving.jobs.watchJobs({}));
    const queueStream = reading(leaving.queues.watchQueues({}));
    for (const stream of [jobStream, openStream, queueStream]) await stream.next();
    const stopped = leaving.stop();
    const draining = { code: "UNAVAILABLE", reason: "SERVER_DRAINING", domain: "gotaskq", retryMs: 1000 };
    expect(await refusal(leaving.jobs.createJob({ type: "held" }))).toMatchObject(draining);
    expect(await refusal(leaving.jobs.batchCreateJobs({ requests: [{ type: "held" }] }))).toMatchObject(draining);
    expect((await leaving.jobs.getJob({ id })).job?.status).toBe(JobStatus.RUNNING);
    const ends = [refusal(openStream.rest()), refusal(queueStream.rest())];
    release.fire();
    expect((await jobStream.rest()).at(-1)?.event.value).toMatchObject({ status: JobStatus.DONE });
    for (const end of ends) expect(await end).toMatchObject(draining);
    await stopped;
  });
});
