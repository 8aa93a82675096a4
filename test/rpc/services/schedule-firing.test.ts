import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { OverlapPolicy, ScheduleState, SkipReason } from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import type { Handlers } from "../../../src/model/handler/handler.js";
import { startRedis, type UsableRedis } from "../../support/redis.js";
import { jsonOf, present } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestEnvironment, type TestServer } from "../../support/server.js";
import { eventually } from "../../support/wait.js";

let redis: UsableRedis;

beforeAll(async () => {
  redis = await startRedis();
});

const every = { case: "every", value: durationFromMs(1000) } as const;

/** Reads a schedule. */
async function read(server: TestServer, queue: string, name: string) {
  return present((await server.schedules.getSchedule({ queue, name })).schedule);
}

describe.each([
  ["in memory", () => ({}), 1],
  ["on Redis, on two servers", () => ({ USE_REDIS: "true", REDIS_URL: redis.url }), 2],
] as const)("schedules %s", (_, env, count) => {
  let servers: TestServer[];
  let server: TestServer;

  beforeAll(async () => {
    const handlers: Handlers = { echo: (job) => job.scheduledFor?.getTime() ?? null };
    const start = () => startTestServer(env() as TestEnvironment, { handlers });
    servers = await Promise.all(Array.from({ length: count }, start));
    server = present(servers[0]);
  });

  test.concurrent("make one job for each of their times, and end after maxRuns", async () => {
    const queue = await newQueue(server, "fires");
    const job = { type: "echo", metadata: { a: "b" } };
    const created = await server.schedules.createSchedule({
      schedule: { queue, name: "tick", spec: every, job, maxRuns: 3 },
    });
    const first = timestampMs(present(created.schedule?.nextRunAt));
    const done = await eventually(async () => {
      const { jobs } = await server.jobs.listJobs({ queue, statuses: [JobStatus.DONE] });
      return jobs.length >= 3 ? jobs : undefined;
    }, "three jobs");
    expect(done.map(({ scheduledFor }) => timestampMs(present(scheduledFor)))).toEqual([
      first + 2000,
      first + 1000,
      first,
    ]);
    expect(done).toMatchObject([
      { schedule: "tick", metadata: { a: "b" } },
      { schedule: "tick" },
      { schedule: "tick" },
    ]);
    expect(done.map(({ resultKind }) => jsonOf(resultKind))).toEqual([first + 2000, first + 1000, first]);
    const schedule = await read(servers.at(-1) ?? server, queue, "tick");
    expect(schedule).toMatchObject({ runs: 3n, state: ScheduleState.COMPLETED, lastJobId: done[0]?.id });
    expect(schedule.nextRunAt).toBeUndefined();
  });

  test.concurrent("make none while they are paused, and go on when they are resumed", async () => {
    const queue = await newQueue(server, "pauses");
    const schedule = { queue, name: "tick", spec: every, job: { type: "echo" }, paused: true };
    await server.schedules.createSchedule({ schedule });
    expect((await server.jobs.listJobs({ queue })).jobs).toEqual([]);
    await server.schedules.resumeSchedule({ queue, name: "tick" });
    const ran = await eventually(async () => {
      const found = await read(server, queue, "tick");
      return found.runs > 0n ? found : undefined;
    }, "a run");
    expect(ran.state).toBe(ScheduleState.ACTIVE);
    await server.schedules.deleteSchedule({ queue, name: "tick" });
  });

  test.concurrent("with SKIP say that they wait for their last job, which nobody runs in a paused queue", async () => {
    const queue = await newQueue(server, "overlaps");
    await server.queues.pauseQueue({ name: queue });
    const schedule = { queue, name: "tick", spec: every, job: { type: "echo" }, overlap: OverlapPolicy.SKIP };
    await server.schedules.createSchedule({ schedule });
    const skipped = await eventually(async () => {
      const found = await read(server, queue, "tick");
      return found.lastSkip === undefined ? undefined : found;
    }, "a skipped time");
    expect(skipped).toMatchObject({ queuePaused: true, runs: 1n, lastSkip: { reason: SkipReason.OVERLAP } });
    expect((await server.jobs.listJobs({ queue })).jobs).toHaveLength(1);
    await server.queues.deleteQueue({ name: queue, force: true });
  });
});
