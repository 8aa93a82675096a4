import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { JobService, WatchJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { ExtendLeasesRequestSchema, WorkerService } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { envelope } from "../../support/wire.js";
import { check, type Figure, report } from "../figures.js";
import { startProgram } from "../processes.js";
import { RawHttp2 } from "../raw-http2.js";

// 10,000 WatchJob streams over gRPC on one connection, each of another job. In each round every job changes: its worker
// reports progress. Measured from the first report until the last message of the round has been received.

const STREAMS = 10_000;
const BATCH = 1000;
const WATCH = "/gotaskq.v1.JobService/WatchJob";

interface Measured {
  readonly rate: number;
  /** Resident bytes per stream. */
  readonly bytes: number;
  /** Microseconds of CPU per message, which do not depend on what else the machine does. */
  readonly cpu: number;
}

/** What a server has used so far: resident bytes, and seconds of CPU. */
interface Usage {
  readonly resident: number;
  readonly cpu: number;
}

async function usageOf(url: string): Promise<Usage> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, "m").exec(page)?.[1]);
  return { resident: value("process_resident_memory_bytes"), cpu: value("process_cpu_seconds_total") };
}

/** Encodes the progress reports of all jobs in advance: the cost of making the load must not be measured. */
function encodeReports(leases: readonly { jobId: string; leaseToken: string }[], percent: number): Uint8Array[] {
  return Array.from({ length: STREAMS / BATCH }, (_, batch) => {
    const part = leases.slice(batch * BATCH, (batch + 1) * BATCH);
    const extensions = part.map((lease) => ({ ...lease, progress: { percent } }));
    return toBinary(ExtendLeasesRequestSchema, create(ExtendLeasesRequestSchema, { extensions }));
  });
}

async function send(url: string, bodies: readonly Uint8Array[]): Promise<void> {
  const one = async (body: Uint8Array) => {
    const request = { method: "POST", headers: { "content-type": "application/proto" }, body: Buffer.from(body) };
    const answer = await fetch(`${url}/gotaskq.v1.WorkerService/ExtendLeases`, request);
    check(answer.status === 200, `a report was answered with ${answer.status}`);
    await answer.arrayBuffer();
  };
  await Promise.all(bodies.map(one));
}

/** Measures messages per second and memory of our server. */
async function measure(path: "fast" | "stock", rounds: number): Promise<Measured> {
  const server = startProgram("rpc-server", [path]);
  const url = await server.line(/^http:.+/);
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", useBinaryFormat: true });
  const jobs = createClient(JobService, transport);
  const workers = createClient(WorkerService, transport);
  const leases: { jobId: string; leaseToken: string }[] = [];
  while (leases.length < STREAMS) {
    await jobs.batchCreateJobs({ requests: Array.from({ length: BATCH }, () => ({ type: "noop" })) });
    const answer = await workers.leaseJobs({ worker: "w", queues: ["default"], types: ["noop"], maxJobs: BATCH });
    leases.push(...answer.leases.map(({ job, leaseToken }) => ({ jobId: job?.id ?? "", leaseToken })));
  }
  const reports = Array.from({ length: rounds + 1 }, (_, round) => encodeReports(leases, round + 1));
  const before = await usageOf(url);
  const client = await RawHttp2.open(url);
  for (const { jobId } of leases) {
    client.request(WATCH, envelope(toBinary(WatchJobRequestSchema, create(WatchJobRequestSchema, { id: jobId }))));
  }
  // Each stream begins with a heartbeat and the current job.
  let expected = 2 * STREAMS;
  await client.counted(expected);
  const bytes = ((await usageOf(url)).resident - before.resident) / STREAMS;
  let start = 0;
  let warm = before;
  for (let round = 0; round <= rounds; round++) {
    // The first round is a warm-up.
    if (round === 1) {
      warm = await usageOf(url);
      start = performance.now();
    }
    expected += STREAMS;
    await Promise.all([client.counted(expected), send(url, reports[round] ?? [])]);
  }
  const rate = (rounds * STREAMS) / ((performance.now() - start) / 1000);
  const cpu = (((await usageOf(url)).cpu - warm.cpu) * 1e6) / (rounds * STREAMS);
  check(client.messages === expected, `${client.messages} messages came, not ${expected}`);
  check(client.ended === 0, `${client.ended} streams ended`);
  client.close();
  await server.end();
  return { rate, bytes, cpu };
}

/** Measures the same for Node's http2, which writes one message of the same size to every stream. */
async function measureBare(rounds: number): Promise<Measured> {
  const server = startProgram("bare-streams");
  const url = await server.line(/^http:.+/);
  const session = connect(url);
  const get = async (path: string): Promise<string> => {
    let text = "";
    for await (const chunk of session.request({ ":path": path })) text += chunk;
    return text;
  };
  const usage = async () => JSON.parse(await get("/usage")) as Usage;
  const before = await usage();
  const client = await RawHttp2.open(url);
  for (let count = 0; count < STREAMS; count++) client.request("/watch", envelope(""));
  await client.counted(2 * STREAMS);
  const bytes = ((await usage()).resident - before.resident) / STREAMS;
  let start = 0;
  let warm = before;
  for (let round = 0; round <= rounds; round++) {
    if (round === 1) {
      warm = await usage();
      start = performance.now();
    }
    await Promise.all([client.counted((3 + round) * STREAMS), get("/tick")]);
  }
  const rate = (rounds * STREAMS) / ((performance.now() - start) / 1000);
  const cpu = (((await usage()).cpu - warm.cpu) * 1e6) / (rounds * STREAMS);
  session.destroy();
  client.close();
  await server.end();
  return { rate, bytes, cpu };
}

const stock = await measure("stock", 1);
const ours = await measure("fast", 10);
const bare = await measureBare(10);
const figures: Figure[] = [
  { name: "messages to 10,000 gRPC streams: stock connect-node", value: stock.rate, unit: "msg/s" },
  { name: "messages to 10,000 gRPC streams: ours", value: ours.rate, unit: "msg/s" },
  { name: "messages to 10,000 gRPC streams: bare http2 writes", value: bare.rate, unit: "msg/s" },
  { name: "ours against stock", value: ours.rate / stock.rate, unit: "x" },
  { name: "ours against bare", value: ours.rate / bare.rate, unit: "x" },
  { name: "CPU of the server a message: stock connect-node", value: stock.cpu, unit: "us" },
  { name: "CPU of the server a message: ours", value: ours.cpu, unit: "us" },
  { name: "CPU of the server a message: bare http2 writes", value: bare.cpu, unit: "us" },
  { name: "resident a stream: stock connect-node", value: stock.bytes / 1000, unit: "KB" },
  { name: "resident a stream: ours", value: ours.bytes / 1000, unit: "KB" },
  { name: "resident a stream: bare http2", value: bare.bytes / 1000, unit: "KB" },
];
report(figures);
