import { describe, expect, test } from "vitest";
import { HealthCheckResponse_ServingStatus as Status } from "../../../gen/health/v1/health_pb.js";
import { untilOpenStreams } from "../../support/metrics.js";
import { created, reading, refusal } from "../../support/rpc.js";
import { startTestServer } from "../../support/server.js";
import { TRANSPORTS } from "../../support/transports.js";
import { streamJobs } from "../../support/worker.js";

/** What the pages for probes answer: `/livez` tells of the process alone. */
async function pages(url: string): Promise<unknown> {
  const ask = async (path: string) => {
    const answer = await fetch(`${url}${path}`);
    const { status } = await fetch(`${url}${path}`, { method: "HEAD" });
    return [answer.status, status, await answer.json()];
  };
  return { livez: await ask("/livez"), readyz: await ask("/readyz"), healthz: await ask("/healthz") };
}

function notServing(reason: string): unknown {
  const answer = [503, 503, { status: "NOT_SERVING", reason }];
  return { livez: [200, 200, { status: "ALIVE" }], readyz: answer, healthz: answer };
}

describe("grpc.health.v1", () => {
  test.each(TRANSPORTS)("tells that the server and its services serve, over $name", async (kind) => {
    const { healthy } = (await startTestServer()).connect(kind);
    for (const service of ["", "gotaskq.v1.JobService", "gotaskq.v1.WorkerService", "grpc.health.v1.Health"]) {
      expect(await healthy.check({ service })).toMatchObject({ status: Status.SERVING });
    }
    expect(await refusal(healthy.check({ service: "gotaskq.v1.NoService" }))).toMatchObject({ code: "NOT_FOUND" });
    const { statuses } = await healthy.list({});
    expect(Object.keys(statuses)).toContain("gotaskq.v1.DlqService");
    expect(new Set(Object.values(statuses).map(({ status }) => status))).toEqual(new Set([Status.SERVING]));
  });

  test("tells a watch at once, and when it changes; of an unknown service too, without an end", async () => {
    const server = await startTestServer();
    const leave = new AbortController();
    const options = { signal: leave.signal };
    const all = reading(server.healthy.watch({}, options));
    const unknown = reading(server.healthy.watch({ service: "nowhere" }, options));
    expect(await all.next()).toMatchObject({ status: Status.SERVING });
    expect(await unknown.next()).toMatchObject({ status: Status.SERVICE_UNKNOWN });
    server.health.set(false);
    expect(await all.next()).toMatchObject({ status: Status.NOT_SERVING });
    expect(await server.healthy.check({})).toMatchObject({ status: Status.NOT_SERVING });
    expect(await pages(server.url)).toEqual(notServing("BACKEND_UNAVAILABLE"));
    server.health.set(true);
    expect(await all.next()).toMatchObject({ status: Status.SERVING });
    leave.abort();
    await untilOpenStreams(server, 0);
  });

  test("tells a draining server, for good, and ends its watches with it", async () => {
    const server = await startTestServer({ SHUTDOWN_TIMEOUT: "60s" });
    const worker = await streamJobs(server);
    await created(server, { type: "work" });
    const lease = await worker.nextLease();
    const watch = reading(server.healthy.watch({ service: "gotaskq.v1.JobService" }));
    expect(await watch.next()).toMatchObject({ status: Status.SERVING });
    const stopping = server.stop();
    expect(await watch.next()).toMatchObject({ status: Status.NOT_SERVING });
    expect((await worker.next()).event.case).toBe("drain");
    server.health.set(false);
    server.health.set(true);
    expect(await server.healthy.check({})).toMatchObject({ status: Status.NOT_SERVING });
    expect(await pages(server.url)).toEqual(notServing("SERVER_DRAINING"));
    await server.workers.releaseJobs({ releases: [{ jobId: lease.job?.id ?? "", leaseToken: lease.leaseToken }] });
    expect(await refusal(watch.rest())).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_DRAINING" });
    await stopping;
  });
});
