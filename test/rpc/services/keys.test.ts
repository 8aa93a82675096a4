import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { QueueOrdering } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import type { Handlers } from "../../../src/model/handler/handler.js";
import { startRedis, type UsableRedis } from "../../support/redis.js";
import { startTestServer, type TestEnvironment, type TestServer } from "../../support/server.js";
import { eventually } from "../../support/wait.js";

let redis: UsableRedis;
beforeAll(async () => {
  redis = await startRedis();
});

describe.each([
  ["in memory", () => ({}), 1],
  ["on Redis, on two servers", () => ({ USE_REDIS: "true", REDIS_URL: redis.url }), 2],
] as const)("jobs with keys %s", (_, env, count) => {
  let servers: TestServer[];
  /** How many jobs of each key run now, and how many ran at once at the most. */
  const now = new Map<string, number>();
  const most = new Map<string, number>();

  beforeAll(async () => {
    const handlers: Handlers = {
      async work({ key = "" }) {
        const running = (now.get(key) ?? 0) + 1;
        now.set(key, running);
        most.set(key, Math.max(most.get(key) ?? 0, running));
        await new Promise((resolve) => setImmediate(resolve));
        now.set(key, (now.get(key) ?? 0) - 1);
      },
    };
    const start = () => startTestServer(env() as TestEnvironment, { handlers });
    servers = await Promise.all(Array.from({ length: count }, start));
  });

  test("all run, and never more of a key than its queue lets run", async () => {
    const [server] = servers as [TestServer];
    const settings = { ordering: QueueOrdering.FAIR, maxConcurrencyPerKey: 2 };
    await server.queues.createQueue({ name: "tenants", settings });
    const keyOf = (at: number) => (at % 10 < 6 ? "large" : (["small", "other", ""][at % 3] ?? ""));
    const requests = Array.from({ length: 300 }, (_, at) => ({ queue: "tenants", type: "work", key: keyOf(at) }));
    await server.jobs.batchCreateJobs({ requests });
    await eventually(async () => {
      const { count } = await server.jobs.countJobs({
        filter: { queues: ["tenants"], statuses: [JobStatus.PENDING, JobStatus.RUNNING] },
      });
      return Number(count) === 0 ? true : undefined;
    }, "the jobs to end");
    for (const key of ["large", "small", "other"]) expect(most.get(key), key).toBeLessThanOrEqual(2);
    const { queue } = await server.queues.getQueue({ name: "tenants" });
    expect(queue?.stats).toMatchObject({ ready: 0, limited: 0, running: 0, dead: 0, done: 300 });
  });
});
