import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { createSystemClock } from "../../../src/core/clock.js";
import { createBuiltinHandlers } from "../../../src/server/handlers/builtin-handlers.js";
import { type Exposition, readExposition, type Series } from "../../support/exposition.js";
import { untilOpenStreams } from "../../support/metrics.js";
import { created, finished, payload, reaches, reading, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";
import { signal } from "../../support/signal.js";

/** A type with everything in it that a label must escape. */
const ODD_TYPE = 'odd "type" with \\ and \n and é';

const RPC = "gotaskq.v1";

const permanent = () => {
  throw Object.assign(new Error("no such user"), { name: "PermanentError" });
};

let page: Exposition;

/** Returns the series with this name whose labels include these. */
function find(name: string, labels: Record<string, string> = {}): readonly Series[] {
  return page.series.filter(
    (series) => series.name === name && Object.entries(labels).every(([key, value]) => series.labels[key] === value),
  );
}

function value(name: string, labels: Record<string, string> = {}): number | undefined {
  const [series, ...more] = find(name, labels);
  expect(more, `only one ${name}`).toEqual([]);
  return series?.value;
}

describe("the page at /metrics", () => {
  beforeAll(async () => {
    const held = signal();
    const server = await startTestServer(
      { BASE_DELAY: "0" },
      { handlers: { ...createBuiltinHandlers(createSystemClock()), held: () => held.fired, permanent } },
    );
    const queue = await newQueue(server, "mail");
    for (let count = 0; count < 3; count++) await finished(server, await created(server, { queue, type: "echo" }));
    await reaches(server, await created(server, { queue, type: "fail", maxRetries: 2 }), JobStatus.DEAD);
    const slow = await created(server, { queue, type: "sleep", payloadKind: payload({ ms: 3_600_000 }) });
    await reaches(server, slow, JobStatus.RUNNING);
    await server.jobs.cancelJob({ id: slow });
    await finished(server, slow);
    await server.jobs.batchCreateJobs({ requests: [1, 2].map(() => ({ queue, type: ODD_TYPE })) });
    await created(server, { queue, type: "echo", schedule: { case: "delay", value: { seconds: 3600n } } });
    await newQueue(server, "stopped");
    await server.queues.pauseQueue({ name: "stopped" });
    const late = { queue, type: "sleep", payloadKind: payload({ ms: 3_600_000 }), maxRetries: 0 };
    await reaches(server, await created(server, { ...late, timeout: { nanos: 1_000_000 } }), JobStatus.DEAD);
    await reaches(server, await created(server, { queue, type: "permanent" }), JobStatus.DEAD);
    const expires = await created(server, { queue, type: "unknown-to-all", ttl: { nanos: 1_000_000 } });
    await reaches(server, expires, JobStatus.CANCELED);
    await server.jobs.batchGetJobs({ ids: ["1", "x", "2"] });
    const runs = await created(server, { queue, type: "held" });
    await reaches(server, runs, JobStatus.RUNNING);
    await refusal(server.jobs.getJob({ id: "1" }));
    await untilOpenStreams(server, 0);
    const leave = new AbortController();
    const stream = reading(server.jobs.watchJobs({}, { signal: leave.signal }));
    await stream.next();
    const answer = await fetch(`${server.url}/metrics`);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    page = readExposition(await answer.text());
    leave.abort();
    held.fire();
  });

  test("is well formed", () => {
    expect(page.problems).toEqual([]);
    expect(page.series.length).toBeGreaterThan(100);
  });

  test("counts jobs by queue and type", () => {
    const queue = "mail";
    expect(value("gotaskq_jobs_enqueued_total", { queue, type: "echo" })).toBe(4);
    expect(value("gotaskq_jobs_enqueued_total", { queue, type: ODD_TYPE })).toBe(2);
    expect(value("gotaskq_jobs_processed_total", { queue, type: "echo", status: "done" })).toBe(3);
    expect(value("gotaskq_jobs_processed_total", { queue, type: "fail", status: "failed" })).toBe(3);
    expect(value("gotaskq_jobs_processed_total", { queue, type: "sleep", status: "canceled" })).toBe(1);
    expect(value("gotaskq_jobs_retried_total", { queue, type: "fail" })).toBe(2);
    expect(value("gotaskq_jobs_dead_total", { queue, type: "fail" })).toBe(1);
    expect(value("gotaskq_jobs_expired_total", { queue, type: "unknown-to-all" })).toBe(1);
    expect(value("gotaskq_redeliveries_total", { queue, type: "fail" })).toBe(2);
  });

  test("tells why attempts failed, and what came of it", () => {
    const failures = (labels: Record<string, string>) =>
      value("gotaskq_job_failures_total", { queue: "mail", ...labels });
    expect(failures({ type: "fail", reason: "error", outcome: "retried" })).toBe(2);
    expect(failures({ type: "fail", reason: "error", outcome: "dead" })).toBe(1);
    expect(failures({ type: "sleep", reason: "timeout", outcome: "dead" })).toBe(1);
    expect(failures({ type: "permanent", reason: "permanent", outcome: "dead" })).toBe(1);
    expect(find("gotaskq_job_failures_total")).toHaveLength(4);
  });

  test("tells which server it is", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    const [info] = find("gotaskq_build_info");
    expect(info).toMatchObject({ value: 1, labels: { version, node: "0" } });
    expect(["memory", "file"]).toContain(info?.labels.backend);
    expect(value("gotaskq_memory_full")).toBe(0);
  });

  test("tells how long jobs took, and waited", () => {
    for (const name of ["gotaskq_job_duration_seconds", "gotaskq_job_pickup_seconds"]) {
      const labels = { queue: "mail", type: "echo" };
      expect(page.types.get(name)).toBe("histogram");
      expect(value(`${name}_count`, labels)).toBe(3);
      expect(value(`${name}_bucket`, { ...labels, le: "+Inf" })).toBe(3);
      expect(value(`${name}_sum`, labels)).toBeGreaterThanOrEqual(0);
      const buckets = find(`${name}_bucket`, labels).map(({ value }) => value);
      expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
    }
  });

  test("tells the state of queues and workers", () => {
    expect(value("gotaskq_queue_depth", { queue: "mail" })).toBe(3);
    expect(value("gotaskq_queue_ready", { queue: "mail" })).toBe(2);
    expect(value("gotaskq_queue_scheduled", { queue: "mail" })).toBe(1);
    expect(value("gotaskq_queue_paused", { queue: "mail" })).toBe(0);
    expect(value("gotaskq_queue_paused", { queue: "stopped" })).toBe(1);
    expect(value("gotaskq_queues")).toBe(3);
    expect(value("gotaskq_queue_depth", { queue: "default" })).toBe(0);
    expect(value("gotaskq_queue_running", { queue: "mail" })).toBe(1);
    expect(value("gotaskq_queue_dead", { queue: "mail" })).toBe(3);
    expect(value("gotaskq_oldest_ready_age_seconds", { queue: "mail" })).toBeGreaterThanOrEqual(0);
    expect(value("gotaskq_active_workers")).toBe(1);
    expect(value("gotaskq_workers", { type: "echo" })).toBe(1);
    expect(value("gotaskq_remote_workers", { kind: "stream" })).toBe(0);
  });

  test("tells open streams by RPC, and the time of RPCs by method and code", () => {
    expect(value("gotaskq_open_streams", { method: `${RPC}.JobService/WatchJobs` })).toBe(1);
    expect(value("gotaskq_open_streams", { method: `${RPC}.JobService/WatchJob` })).toBe(0);
    const count = (method: string, code: string) =>
      value("gotaskq_rpc_duration_seconds_count", { method: `${RPC}.${method}`, code });
    expect(count("JobService/CreateJob", "ok")).toBe(10);
    expect(count("JobService/GetJob", "not_found")).toBe(1);
    expect(count("QueueService/CreateQueue", "ok")).toBe(2);
    expect(count("JobService/WatchJob", "ok")).toBeGreaterThan(0);
    expect(count("JobService/BatchGetJobs", "ok")).toBe(1);
    const refused = (code: string) =>
      value("gotaskq_rpc_items_refused_total", { method: `${RPC}.JobService/BatchGetJobs`, code });
    expect(["not_found", "invalid_argument", "ok"].map(refused)).toEqual([2, 1, undefined]);
  });

  test("has every name of the contract with its labels, and those of the process", () => {
    const labelled = (name: string) => Object.keys(page.series.find((series) => series.name === name)?.labels ?? {});
    expect(labelled("gotaskq_jobs_enqueued_total").toSorted()).toEqual(["queue", "type"]);
    expect(labelled("gotaskq_jobs_processed_total").toSorted()).toEqual(["queue", "status", "type"]);
    expect(labelled("gotaskq_job_duration_seconds_count").toSorted()).toEqual(["queue", "type"]);
    expect(labelled("gotaskq_jobs_retried_total").toSorted()).toEqual(["queue", "type"]);
    expect(labelled("gotaskq_jobs_dead_total").toSorted()).toEqual(["queue", "type"]);
    expect(labelled("gotaskq_queue_depth")).toEqual(["queue"]);
    expect(labelled("gotaskq_rpc_duration_seconds_count").toSorted()).toEqual(["code", "method"]);
    expect(Object.fromEntries(page.types)).toMatchObject({
      gotaskq_leases_lost_total: "counter",
      gotaskq_redeliveries_total: "counter",
      gotaskq_stale_writes_total: "counter",
      nodejs_eventloop_lag_p99_seconds: "gauge",
      process_cpu_seconds_total: "counter",
      process_resident_memory_bytes: "gauge",
    });
  });
});

describe("labels from users", () => {
  test("are bounded: of thousands of types and queues, most share one label", async () => {
    const server = await startTestServer({ NUM_WORKERS: "0" });
    // A queue and a type that are really named "other" are counted with the rest.
    await server.engine.queues.create("other");
    await server.jobs.createJob({ queue: "other", type: "other" });
    for (let batch = 0; batch < 3; batch++) {
      const requests = Array.from({ length: 1000 }, (_, index) => ({ type: `type-${batch}-${index}` }));
      await server.jobs.batchCreateJobs({ requests });
    }
    for (let count = 0; count < 600; count++) await server.engine.queues.create(`queue-${count}`);
    page = readExposition(await server.metrics());
    expect(page.problems).toEqual([]);
    const enqueued = find("gotaskq_jobs_enqueued_total");
    expect(enqueued.length).toBeLessThanOrEqual(501);
    expect(enqueued.reduce((sum, series) => sum + series.value, 0)).toBe(3001);
    expect(value("gotaskq_jobs_enqueued_total", { queue: "other", type: "other" })).toBe(2501);
    expect(find("gotaskq_queue_depth").length).toBeLessThanOrEqual(500);
  });

  test("of methods are those that exist", async () => {
    const server = await startTestServer();
    for (const path of ["gotaskq.v1.JobService/Nothing", "NoService/GetJob", "x"]) {
      await fetch(`${server.url}/${path}`, {
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json" },
      });
    }
    page = readExposition(await server.metrics());
    expect(find("gotaskq_rpc_duration_seconds_count")).toEqual([]);
  });
});

describe("the small lint of these tests", () => {
  test.each([
    ["a series without TYPE", "a 1\n", "a has no TYPE"],
    ["a TYPE without HELP", "# TYPE a gauge\na 1\n", "a has no HELP"],
    ["a counter without _total", "# HELP a x\n# TYPE a counter\na 1\n", "the counter a does not end in _total"],
    ["a gauge with _total", "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n", "the gauge a_total ends in _total"],
    ["a series given twice", '# HELP a x\n# TYPE a gauge\na{b="1",c="2"} 1\na{c="2",b="1"} 1\n', "given twice"],
    ["labels that are not escaped", '# HELP a x\n# TYPE a gauge\na{b="""} 1\n', "the labels cannot be read"],
    ["a line that is none", "# HELP a x\n# TYPE a gauge\na one\n", "cannot be read: a one"],
  ])("finds %s", (_what, text, problem) => {
    expect(readExposition(text).problems).toEqual([expect.stringContaining(problem)]);
  });
});

describe("pages that are no RPC", () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer();
  });

  test.each(["/metrics", "/livez", "/readyz", "/healthz", "/healthz?verbose=1"])(
    "%s answers GET and HEAD, and says so to others",
    async (path) => {
      const ask = (method: string) => fetch(`${server.url}${path}`, { method });
      expect((await ask("GET")).status).toBe(200);
      const head = await ask("HEAD");
      expect([head.status, await head.text()]).toEqual([200, ""]);
      const post = await ask("POST");
      expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    },
  );

  test("an unknown page is not found", async () => {
    const answer = await fetch(`${server.url}/none`);
    expect([answer.status, await answer.json()]).toMatchObject([404, { code: "not_found" }]);
  });
});
