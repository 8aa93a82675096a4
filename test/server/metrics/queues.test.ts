import { expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { readExposition } from "../../support/exposition.js";
import { created, payload, reaches } from "../../support/rpc.js";
import { startTestServer } from "../../support/server.js";
import { eventually } from "../../support/wait.js";

test("the gauges of a queue tell what its waiting jobs wait for", async () => {
  const server = await startTestServer();
  const queue = "narrow";
  await server.queues.createQueue({ name: queue, settings: { maxConcurrency: 1 } });
  const fails = await created(server, { queue, type: "fail", backoff: { delays: [{ seconds: 3600n }] } });
  const hasFailed = async () => ((await server.jobs.getJob({ id: fails })).job?.retryCount === 1 ? true : undefined);
  await eventually(hasFailed, "the first failure");
  const sleep = { queue, type: "sleep", payloadKind: payload({ ms: 600_000 }) };
  await created(server, { ...sleep, schedule: { case: "delay", value: { seconds: 3600n } } });
  const runs = await created(server, sleep);
  await reaches(server, runs, JobStatus.RUNNING);
  await server.jobs.batchCreateJobs({ requests: [sleep, sleep, sleep] });
  const { series } = readExposition(await (await fetch(`${server.url}/metrics`)).text());
  const figures = ["depth", "ready", "scheduled", "retrying", "limited", "running"].map((name) => {
    return series.find((each) => each.name === `gotaskq_queue_${name}` && each.labels.queue === queue)?.value;
  });
  expect(figures).toEqual([5, 0, 1, 1, 3, 1]);
  await server.jobs.cancelJob({ id: runs });
});
