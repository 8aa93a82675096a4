import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { envelope } from "../../support/wire.js";
import { check, type Figure, report } from "../figures.js";
import { h2load, installH2load, type Load } from "../h2load.js";
import { startProgram } from "../processes.js";

// CreateJob, one job a call, 64 callers, in each protocol: with connect-node alone (stock), as the server is (ours), and
// a bare Node server that parses and answers JSON, over the same version of HTTP. Each in a process of its own.

const REQUESTS = 20_000;
const WARM_UP = 3;
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

/** Calls a second of one server. All but the last load warm it up. */
async function rateOf(
  program: string,
  kind: string,
  path: string,
  load: Omit<Load, "url" | "requests">,
  requests: number,
) {
  const server = startProgram(program, [kind]);
  try {
    const url = await server.line(/^http:.+/);
    let rate = 0;
    for (let round = 0; round <= WARM_UP; round++) rate = await h2load({ ...load, url: url + path, requests });
    if (path !== "") {
      const sent = (WARM_UP + 1) * requests;
      const jobs = await jobsAt(url);
      check(jobs === sent, `there are ${jobs} jobs, not ${sent}`);
    }
    return rate;
  } finally {
    await server.end();
  }
}

installH2load();
const figures: Figure[] = [];
for (const { name, load } of PROTOCOLS) {
  const bare = { contentType: "application/json", body: JSON_BODY, isHttp2: load.isHttp2 };
  const slow = await rateOf("rpc-server", "stock", PATH, load, REQUESTS / 4);
  const fast = await rateOf("rpc-server", "lean", PATH, load, REQUESTS);
  const best = await rateOf("bare-server", load.isHttp2 ? "http2" : "http", "", bare, REQUESTS);
  figures.push(
    { name: `${name}: stock connect-node`, value: slow, unit: "calls/s" },
    { name: `${name}: ours`, value: fast, unit: "calls/s" },
    { name: `${name}: bare Node`, value: best, unit: "calls/s" },
    { name: `${name}: ours against stock`, value: fast / slow, unit: "x" },
    { name: `${name}: ours against bare`, value: fast / best, unit: "x" },
  );
}
report(figures);
