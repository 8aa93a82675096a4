import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { SettleResult } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { seriesValue } from "../support/metrics.js";
import { created, finished, payload, reaches, reading } from "../support/rpc.js";
import { type Clients, createClients } from "../support/server.js";
import { CONNECT_JSON } from "../support/transports.js";
import { eventually, within } from "../support/wait.js";
import { http1 } from "../support/wire.js";
import {
  builtIn,
  isAlive,
  metrics,
  ready,
  refusedStart,
  START_MS,
  storeOf,
  toEach,
  usePlace,
} from "./support/processes.js";

const here = usePlace();

const JOBS = 'gotaskq_jobs_enqueued_total{queue="default",type="echo"}';

describe("a server with several processes", () => {
  test.each([
    ["on Redis", () => ({})],
    ["in a file", () => ({ USE_REDIS: "", DATA_DIR: join(here.folder, "one") })],
  ])("is one to the rest of the world, and goes on when one of them is killed: %s", async (_where, place) => {
    const server = await here.start("one", { NUM_WORKERS: "3", ...place() });
    expect(server.output().match(/GoTaskQ listens/g)).toHaveLength(1);
    const [one, other] = [...(await toEach(server.url)).values()] as [Clients, Clients];
    const workers = await builtIn(one);
    expect(workers.map(({ id, capacity }) => [id, capacity])).toEqual([
      ["0", 2],
      ["1", 1],
    ]);
    expect(await builtIn(other)).toEqual(workers);

    const ids = await Promise.all([one, other, one].map((clients) => created(clients, { type: "echo" })));
    for (const id of ids) await finished(one, id);
    const page = await metrics(server.url);
    expect(seriesValue(page, JOBS)).toBe(3);
    expect(seriesValue(page, "gotaskq_processes")).toBe(2);
    expect(seriesValue(page, "gotaskq_tells_queues")).toBe(1);
    expect(seriesValue(page, "gotaskq_backend_up")).toBe(1);
    expect(seriesValue(page, 'gotaskq_queue_depth{queue="default"}')).toBe(0);
    expect(page.match(/^gotaskq_build_info\{/gm)).toHaveLength(2);

    process.kill(workers[0]?.pid as number, "SIGKILL");
    await server.printed(/"process":1.*it was killed by SIGKILL.*another takes its place/);
    await server.printed('"msg":"a serving process was started again"', START_MS);
    const again = [...(await toEach(server.url)).values()] as [Clients, Clients];
    const now = await builtIn(again[0]);
    expect(now.map(({ id }) => id)).toEqual(["0", "1"]);
    expect(now[0]?.pid).not.toBe(workers[0]?.pid);
    expect(now[1]?.pid).toBe(workers[1]?.pid);
    await Promise.all(again.map(async (clients) => finished(clients, await created(clients, { type: "echo" }))));
    const after = await metrics(server.url);
    // What the killed one had counted is not lost: a sum that falls reads as a restart.
    expect(seriesValue(after, JOBS)).toBe(5);
    expect(seriesValue(after, "gotaskq_process_ends_total")).toBe(1);

    expect(await server.end()).toBe(0);
    expect(server.output().match(/"stopped"/g)).toHaveLength(1);
    expect(now.map(({ pid }) => isAlive(pid))).toEqual([false, false]);
  });

  test("lets running jobs finish when it is told to end, and tells everybody meanwhile", async () => {
    const server = await here.start("drain", { SHUTDOWN_TIMEOUT: "1m" });
    const clients = createClients(CONNECT_JSON, server.url);
    const id = await created(clients, { type: "sleep", payloadKind: payload({ ms: 3_600_000 }) });
    await reaches(clients, id, JobStatus.RUNNING);
    const ended = server.end("SIGTERM");
    await server.printed("SIGTERM: ");
    await eventually(async () => (await ready(server.url)) === 503 || undefined, "a probe that is told");
    // On connections of their own: that of the process without a job may end at any time.
    const call = async (method: string, message: object) => {
      const headers = { "content-type": "application/json" };
      const request = { path: `/gotaskq.v1.JobService/${method}`, headers, body: JSON.stringify(message) };
      return String((await http1(server.url, request)).body);
    };
    expect(await call("CreateJob", { type: "echo" })).toContain("SERVER_DRAINING");
    expect(await call("CancelJob", { id })).toContain('"cancelRequested":true');
    expect(await within(ended, "the end of the server", START_MS)).toBe(0);
  });

  test("ends in order, with code 1, when the process that keeps the jobs is killed, and waits for no job; what is in a file is there again", async () => {
    const env = { USE_REDIS: "", DATA_DIR: join(here.folder, "kept"), LEASE_DURATION: "1h" };
    const server = await here.start("kept", { ...env, SHUTDOWN_TIMEOUT: "1h" });
    const first = createClients(CONNECT_JSON, server.url);
    const id = await created(first, { type: "sleep", payloadKind: payload({ ms: 3_600_000 }) });
    await reaches(first, id, JobStatus.RUNNING);
    const remote = await created(first, { type: "report" });
    const { leases } = await first.workers.leaseJobs({ worker: "w", types: ["report"], maxJobs: 1 });
    const closed = once(server.child, "close");
    process.kill(storeOf(server), "SIGKILL");
    const [code] = await within(closed, "the end of the server", START_MS);
    expect(code).toBe(1);
    expect(server.output()).toMatch(
      /"level":"fatal".*the process that keeps the jobs has ended: it was killed by SIGKILL/,
    );
    const again = await here.start("kept", { ...env, NUM_WORKERS: "0" });
    const clients = createClients(CONNECT_JSON, again.url);
    // The lease of the handler has ended with its server at once; that of the remote worker goes on.
    await reaches(clients, id, JobStatus.PENDING);
    expect((await clients.jobs.getJob({ id })).job).toMatchObject({ type: "sleep", deliveries: 1, lostLeases: 1 });
    const completion = { jobId: remote, leaseToken: leases[0]?.leaseToken ?? "" };
    const { outcomes } = await clients.workers.completeJobs({ completions: [completion] });
    expect(outcomes).toMatchObject([{ result: SettleResult.APPLIED }]);
    expect(await again.end()).toBe(0);
  });

  test("tells in memory what happens at one process to those who watch and work at the other", async () => {
    const server = await here.start("memory", { USE_REDIS: "", NUM_WORKERS: "0" });
    const [one, other] = [...(await toEach(server.url)).values()] as [Clients, Clients];
    const id = await created(one, { type: "report" });
    const watch = reading(other.jobs.watchJob({ id }));
    const { leases } = await other.workers.leaseJobs({ worker: "w", types: ["report"], maxJobs: 1 });
    expect(leases.map(({ job }) => job?.id)).toEqual([id]);
    await one.workers.completeJobs({ completions: [{ jobId: id, leaseToken: leases[0]?.leaseToken ?? "" }] });
    const seen = await watch.rest();
    expect(seen.at(-1)?.event).toMatchObject({ case: "job", value: { status: JobStatus.DONE } });
    expect(await one.info.getServerInfo({})).toMatchObject({ backend: "memory", durable: false });
    server.child.kill("SIGKILL");
  });

  test("answers on new connections while a handler blocks one of the processes", async () => {
    const handlers = fileURLToPath(new URL("../handlers/fixtures/blocks.mjs", import.meta.url));
    const server = await here.start("blocked", { USE_REDIS: "", NUM_WORKERS: "1", HANDLERS: handlers });
    const { jobs } = createClients(CONNECT_JSON, server.url);
    // In a while, so that the process has answered before it is blocked.
    const schedule = { case: "delay", value: { seconds: 0n, nanos: 200_000_000 } } as const;
    await jobs.createJob({ schedule, type: "asleep", payloadKind: payload({ ms: 60_000 }) });
    await server.printed("asleep from now on");
    for (let at = 0; at < 6; at++) expect(await ready(server.url)).toBe(200);
    server.child.kill("SIGKILL");
  });

  test("that cannot be started ends with code 2, and says why once", async () => {
    const { code, output } = await refusedStart({ USE_REDIS: "", PROCESSES: "0", HANDLERS: "./none.js" }, here.folder);
    expect(code).toBe(2);
    expect(output).toMatch(/"variable":"PROCESSES"[\s\S]*"variable":"HANDLERS"/);
    expect(output.match(/"variable"/g)).toHaveLength(2);
  });
});
