import { rmSync } from "node:fs";
import { get as getPlainly } from "node:http";
import { get as getSecurely } from "node:https";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { createAuthority } from "../../support/certificates.js";
import { envelope } from "../../support/wire.js";
import { type Figure, median, report } from "../figures.js";
import { h2load, installH2load, type Load } from "../h2load.js";
import { type BenchProcess, startProgram } from "../processes.js";

// CreateJob, one job per call, from 64 callers, in plain text and over TLS: gRPC over HTTP/2, and Connect JSON over HTTP/1.1. Both
// servers are loaded in turn, each in a process of its own. The keys are of elliptic curves, as today's certificates are. Handshakes
// are a part of it, a small one in long loads; the CPU of a call does not depend on what else the machine does.

const REQUESTS = 20_000;
/** How many loads each server gets before it is measured, and how many are measured. */
const WARM_UP = 2;
const ROUNDS = 5;
const PATH = "/gotaskq.v1.JobService/CreateJob";
const PAYLOAD = { text: "x".repeat(80) };
const VALUE = { case: "payload", value: fromJson(ValueSchema, PAYLOAD) } as const;
const BINARY = toBinary(CreateJobRequestSchema, create(CreateJobRequestSchema, { type: "noop", payloadKind: VALUE }));
const LOADS: readonly { name: string; load: Omit<Load, "url"> }[] = [
  {
    name: "gRPC, HTTP/2",
    load: { contentType: "application/grpc", body: envelope(BINARY), isHttp2: true, requests: REQUESTS },
  },
  {
    name: "Connect JSON, HTTP/1.1",
    load: {
      contentType: "application/json",
      body: Buffer.from(JSON.stringify({ type: "noop", payload: PAYLOAD })),
      isHttp2: false,
      requests: REQUESTS,
    },
  },
];

/** A server under load. */
interface Target {
  readonly process: BenchProcess;
  readonly url: string;
  readonly rates: number[];
}

async function open(env: Readonly<Record<string, string>>): Promise<Target> {
  const process = startProgram("rpc-server", ["fast"], env);
  return { process, url: await process.line(/^https?:.+/), rates: [] };
}

/** Seconds of CPU that a server has used. */
async function cpuOf({ url }: Target): Promise<number> {
  const page = await new Promise<string>((resolve, reject) => {
    const get = url.startsWith("https:") ? getSecurely : getPlainly;
    get(`${url}/metrics`, { agent: false, rejectUnauthorized: false }, (response) => {
      response
        .setEncoding("utf8")
        .toArray()
        .then((parts) => resolve(parts.join("")), reject);
    }).on("error", reject);
  });
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(page)?.[1]);
}

/** Loads the servers in turn, so that what else the machine does affects both. Returns the CPU of each for a call, us. */
async function measure(targets: readonly Target[], load: Omit<Load, "url">): Promise<number[]> {
  let before: number[] = [];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    if (round === 0) before = await Promise.all(targets.map(cpuOf));
    for (const { url, rates } of targets) {
      const rate = await h2load({ ...load, url: url + PATH });
      if (round >= 0) rates.push(rate);
    }
  }
  const after = await Promise.all(targets.map(cpuOf));
  return after.map((cpu, index) => ((cpu - (before[index] ?? 0)) * 1e6) / (ROUNDS * load.requests));
}

installH2load();
const authority = createAuthority();
const { cert, key } = authority.issue("server");
const figures: Figure[] = [];
for (const { name, load } of LOADS) {
  const targets = await Promise.all([open({}), open({ TLS_CERT: cert, TLS_KEY: key })]);
  const [plainCpu = 0, tlsCpu = 0] = await measure(targets, load);
  await Promise.all(targets.map(({ process }) => process.end()));
  const [plain = 0, tls = 0] = targets.map(({ rates }) => median(rates));
  figures.push(
    { name: `${name}: plain text`, value: plain, unit: "calls/s" },
    { name: `${name}: TLS`, value: tls, unit: "calls/s" },
    { name: `${name}: TLS against plain text`, value: tls / plain, unit: "x" },
    { name: `${name}: CPU of the server a call, plain text`, value: plainCpu, unit: "us" },
    { name: `${name}: CPU of the server a call, TLS`, value: tlsCpu, unit: "us" },
  );
}
rmSync(authority.folder, { recursive: true });
report(figures);
