import { create, toBinary } from "@bufbuild/protobuf";
import { BatchCreateJobsRequestSchema, CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { payload } from "../../support/rpc.js";
import { envelope } from "../../support/wire.js";
import { check, type Figure, report } from "../figures.js";
import { h2load, installH2load, type Load } from "../h2load.js";
import { startProgram } from "../processes.js";

// BatchCreateJobs in binary with 100 jobs per request, against CreateJob one by one, at the best rate of single calls.

const BATCH = 100;
const REQUESTS = 3000;
const SINGLES = 10_000;
const SERVICE = "/gotaskq.v1.JobService";

const job = { type: "noop", payloadKind: payload({ text: "x".repeat(80) }) };
const many = create(BatchCreateJobsRequestSchema, { requests: Array.from({ length: BATCH }, () => job) });
const single = Buffer.from(toBinary(CreateJobRequestSchema, create(CreateJobRequestSchema, job)));
const batch = Buffer.from(toBinary(BatchCreateJobsRequestSchema, many));

async function jobsAt(url: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(/gotaskq_queue_depth\{queue="default"\} (\d+)/.exec(page)?.[1]);
}

installH2load();
const server = startProgram("rpc-server", ["fast"]);
try {
  const url = await server.line(/^http:.+/);
  const one = { url: `${url}${SERVICE}/CreateJob`, requests: SINGLES };
  const all = { url: `${url}${SERVICE}/BatchCreateJobs`, requests: REQUESTS, callers: 16 };
  const plain = { contentType: "application/proto", isHttp2: false };
  const grpc = { contentType: "application/grpc", isHttp2: true };
  const loads: readonly Load[] = [
    { ...plain, ...one, body: single },
    { ...grpc, ...one, body: envelope(single) },
    { ...plain, ...all, body: batch },
    { ...grpc, ...all, body: envelope(batch) },
  ];
  for (const load of loads) await h2load({ ...load, requests: load.requests / 5 });
  const rates: number[] = [];
  for (const load of loads) rates.push(await h2load(load));
  const [plainOne = 0, grpcOne = 0, plainAll = 0, grpcAll = 0] = rates;
  const best = Math.max(plainOne, grpcOne);
  const figures: Figure[] = [
    { name: "CreateJob, the best of Connect binary and gRPC", value: best, unit: "jobs/s" },
    { name: "BatchCreateJobs of 100, Connect binary over HTTP/1.1", value: plainAll * BATCH, unit: "jobs/s" },
    { name: "BatchCreateJobs of 100, gRPC over h2c", value: grpcAll * BATCH, unit: "jobs/s" },
    { name: "a batch against single calls", value: (Math.max(plainAll, grpcAll) * BATCH) / best, unit: "x" },
  ];
  const sent = 2.4 * SINGLES + 2.4 * REQUESTS * BATCH;
  check((await jobsAt(url)) === sent, `there are ${await jobsAt(url)} jobs, not ${sent}`);
  report(figures);
} finally {
  await server.end();
}
