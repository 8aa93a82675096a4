import { create, toBinary } from "@bufbuild/protobuf";
import { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { hashToken, newToken } from "../../../src/access/hash-token.js";
import { envelope } from "../../support/wire.js";
import { cpuOfServer } from "../cpu.js";
import { type Figure, median, report } from "../figures.js";
import { h2load, installH2load, type Load } from "../h2load.js";
import { type BenchProcess, startProgram } from "../processes.js";

// CreateJob, one job per call, from 64 callers: at a server that asks nobody, at one with 1,000 tokens, and at the same with a token
// that has queues. The servers are loaded in turn, each in a process of its own. What counts is the CPU that a call costs them: it
// differs less from load to load than the rate.

const REQUESTS = 10_000;
/** How many loads each server gets before it is measured, and how many are measured. */
const WARM_UP = 4;
const ROUNDS = 9;
const PATH = "/gotaskq.v1.JobService/CreateJob";
const BINARY = toBinary(CreateJobRequestSchema, create(CreateJobRequestSchema, { type: "noop" }));
const LOADS: readonly { name: string; load: Omit<Load, "url"> }[] = [
  {
    name: "gRPC, HTTP/2",
    load: { contentType: "application/grpc", body: envelope(BINARY), isHttp2: true, requests: REQUESTS },
  },
  {
    name: "Connect JSON, HTTP/1.1",
    load: { contentType: "application/json", body: Buffer.from('{"type":"noop"}'), isHttp2: false, requests: REQUESTS },
  },
];

const [plain, narrow] = [newToken(), newToken()];
const others = Array.from({ length: 998 }, (_, index) => `name=t${index} sha256=${hashToken(newToken())} scopes=read`);
const AUTH_TOKENS = [
  `name=plain token=${plain} scopes=produce`,
  `name=narrow token=${narrow} scopes=produce queues=default,mail*`,
  ...others,
].join(";");

/** A server under load by a token. */
interface Target {
  readonly process: BenchProcess;
  readonly url: string;
  readonly token: string | undefined;
  /** CPU of a call in each round, us. */
  readonly costs: number[];
}

async function open(token: string | undefined): Promise<Target> {
  const process = startProgram(
    "rpc-server",
    ["fast"],
    token === undefined ? {} : { AUTH_TOKENS, AUTH_METRICS: "none" },
  );
  return { process, url: (await process.line(/^http:.+/)) + PATH, token, costs: [] };
}

installH2load();
const figures: Figure[] = [];
for (const { name, load } of LOADS) {
  const targets = await Promise.all([undefined, plain, narrow].map(open));
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const { url, token, costs } of targets) {
      const { origin } = new URL(url);
      const before = await cpuOfServer(origin);
      await h2load({ ...load, url, ...(token !== undefined && { token }) });
      if (round >= 0) costs.push((((await cpuOfServer(origin)) - before) * 1e6) / load.requests);
    }
  }
  await Promise.all(targets.map(({ process }) => process.end()));
  const [nobody = 0, one = 0, queues = 0] = targets.map(({ costs }) => median(costs));
  figures.push(
    { name: `${name}: nobody is asked`, value: nobody, unit: "us" },
    { name: `${name}: with a token`, value: one, unit: "us" },
    { name: `${name}: a token against nobody`, value: one / nobody, unit: "x" },
    { name: `${name}: a token with queues against nobody`, value: queues / nobody, unit: "x" },
  );
}
report(figures);
