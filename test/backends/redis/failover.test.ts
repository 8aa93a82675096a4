import { describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { startRedis, startSentinel } from "../../support/redis.js";
import { created, finished, present, reading, refusal } from "../../support/rpc.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";

/** Creates a job, again and again while it is refused because Redis is away. */
async function createdInTheEnd(server: TestServer, type: string): Promise<string> {
  const attempt = async () => {
    try {
      return await created(server, { type });
    } catch {
      return undefined;
    }
  };
  return eventually(attempt, "a create that is not refused", 20_000);
}

async function untilServing(server: TestServer): Promise<void> {
  const check = async () => ((await fetch(`${server.url}/healthz`)).status === 200 ? true : undefined);
  await eventually(check, "the server to serve", 20_000);
}

describe("through Sentinel", () => {
  test("a failover is survived: jobs stay, watches go on, and new ones run", async () => {
    const sentinel = await startSentinel();
    const hosts = sentinel.sentinels.map(({ host, port }) => `${host}:${port}`).join(",");
    const server = await startTestServer({
      USE_REDIS: "true",
      REDIS_URL: `redis+sentinel://${hosts}/${sentinel.name}`,
    });
    const waiting = await created(server, { type: "unknown-to-all" });
    const leave = new AbortController();
    const changes = reading(server.jobs.watchJobs({}, { signal: leave.signal }));
    await changes.next();
    const replica = sentinel.replica().client();
    const hasJob = async () => ((await replica.hexists("gotaskq:{default}:specs", waiting)) === 1 ? true : undefined);
    await eventually(hasJob, "the job on the replica");

    await sentinel.failover();
    const after = await createdInTheEnd(server, "echo");
    await untilServing(server);
    expect(await finished(server, after)).toMatchObject({ status: JobStatus.DONE });
    expect((await server.jobs.getJob({ id: waiting })).job).toMatchObject({ status: JobStatus.PENDING });

    const isLast = ({ event }: Awaited<ReturnType<typeof changes.next>>) =>
      event.case === "change" && event.value.jobId === after && event.value.status === JobStatus.DONE;
    await changes.until(isLast);
    leave.abort();
  });
});

describe("a master that becomes a replica", () => {
  test("takes no creates, which are refused in time; and when it is a master again everything goes on", async () => {
    const [redis, master] = await Promise.all([startRedis({ port: true }), startRedis({ port: true })]);
    const admin = redis.client();
    const server = await startTestServer({ USE_REDIS: "true", REDIS_URL: redis.url });
    await created(server, { type: "unknown-to-all" });
    await admin.call("REPLICAOF", "127.0.0.1", String(master.port));
    expect(await within(refusal(server.jobs.createJob({ type: "echo" })), "a refusal", 2000)).toMatchObject({
      code: "UNAVAILABLE",
      reason: "BACKEND_UNAVAILABLE",
      retryMs: 1000,
    });
    await admin.call("REPLICAOF", "NO", "ONE");
    await untilServing(server);
    expect(await finished(server, await createdInTheEnd(server, "echo"))).toMatchObject({ status: JobStatus.DONE });
    expect(present((await server.queues.getQueue({ name: "default" })).queue).paused).toBe(false);
  });
});
