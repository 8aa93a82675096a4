import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { envelope } from "../../support/wire.js";
import { check, type Figure, median, report } from "../figures.js";
import { h2load, installH2load, type Load } from "../h2load.js";
import { type BenchProcess, startProgram } from "../processes.js";

// CreateJob, one job per call, from 64 callers, in each protocol: with connect-node alone (stock), with the server as
// it is (ours), and with a bare Node server that parses and answers JSON over the same version of HTTP. Each server
// runs in a process of its own.

const REQUESTS = 10_000;
/** How many loads each server gets before it is measured, and how many are measured. */
const WARM_UP = 6;
const ROUNDS = 7;
const PATH = "/gotaskq.v1.JobService/CreateJob";
const PAYLOAD = { text: "x".repeat(80) };
const JSON_BODY = Buffer.from(JSON.stringify({ type: "noop", payload: PAYLOAD }));
const BINARY_BODY = toBinary(
  CreateJobRequestSchema,
  create(CreateJobRequestSchema, {
    type: "noop",
    payloadKind: { case: "payload", value: fromJson(ValueSchema, PAYLOAD) },
  }),
);

const PROTOCOLS: readonly { name: string; load: Pick<Load, "contentType" | "body" | "isHttp2"> }[] = [
  { name: "Connect JSON, HTTP/1.1", load: { contentType: "application/json", body: JSON_BODY, isHttp2: false } },
  { name: "Connect binary, HTTP/1.1", load: { contentType: "application/proto", body: BINARY_BODY, isHttp2: false } },
  { name: "Connect JSON, h2c", load: { contentType: "application/json", body: JSON_BODY, isHttp2: true } },
  { name: "Connect binary, h2c", load: { contentType: "application/proto", body: BINARY_BODY, isHttp2: true } },
  { name: "gRPC, h2c", load: { contentType: "application/grpc", body: envelope(BINARY_BODY), isHttp2: true } },
];

async function jobsAt(url: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(/gotaskq_queue_depth\{queue="default"\} (\d+)/.exec(page)?.[1]);
}

/** A server under load. */
interface Target {
  readonly load: Load;
  readonly process: BenchProcess;
  readonly rates: number[];
}

async function open(program: string, kind: string, path: string, load: Omit<Load, "url">): Promise<Target> {
  const process = startProgram(program, [kind]);
  return { process, load: { ...load, url: (await process.line(/^http:.+/)) + path }, rates: [] };
}

/** Loads the servers in turn, so that what else the machine does affects all of them. Returns the median of each. */
async function measure(targets: readonly Target[]): Promise<number[]> {
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const { load, rates } of targets) {
      const rate = await h2load(load);
      if (round >= 0) rates.push(rate);
    }
  }
  return targets.map(({ rates }) => median(rates));
}

async function checkJobs({ load }: Target): Promise<void> {
  const [sent, jobs] = [(WARM_UP + ROUNDS) * load.requests, await jobsAt(new URL(load.url).origin)];
  check(jobs === sent, `there are ${jobs} jobs, not ${sent}`);
}

installH2load();
const figures: Figure[] = [];
for (const { name, load } of PROTOCOLS) {
  const bare = { contentType: "application/json", body: JSON_BODY, isHttp2: load.isHttp2 };
  const [stock, ours, node] = await Promise.all([
    open("rpc-server", "stock", PATH, { ...load, requests: REQUESTS / 4 }),
    open("rpc-server", "fast", PATH, { ...load, requests: REQUESTS }),
    open("bare-server", load.isHttp2 ? "http2" : "http", "", { ...bare, requests: REQUESTS }),
  ]);
  const [slow = 0, fast = 0, best = 0] = await measure([stock, ours, node]);
  for (const target of [stock, ours]) await checkJobs(target);
  await Promise.all([stock, ours, node].map(({ process }) => process.end()));
  figures.push(
    { name: `${name}: stock connect-node`, value: slow, unit: "calls/s" },
    { name: `${name}: ours`, value: fast, unit: "calls/s" },
    { name: `${name}: bare Node`, value: best, unit: "calls/s" },
    { name: `${name}: ours against stock`, value: fast / slow, unit: "x" },
    { name: `${name}: ours against bare`, value: fast / best, unit: "x" },
  );
}
report(figures);
