import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { envelope } from "../../support/wire.js";
import { check, type Figure, report } from "../figures.js";
import { h2load, installH2load, type Load } from "../h2load.js";
import { startProgram } from "../processes.js";

// CreateJob, one job a call, 64 callers, in each protocol: with connect-node alone (stock), as the server is (ours), and
// a bare Node server that parses and answers JSON, over the same version of HTTP.

const REQUESTS = 15_000;
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

installH2load();
const servers = [
  startProgram("rpc-server", ["stock"]),
  startProgram("rpc-server", ["lean"]),
  startProgram("bare-server", ["http"]),
  startProgram("bare-server", ["http2"]),
];
try {
  const [stock = "", ours = "", http = "", http2 = ""] = await Promise.all(servers.map(({ line }) => line(/^http:.+/)));
  const figures: Figure[] = [];
  for (const { name, load } of PROTOCOLS) {
    const bare = { contentType: "application/json", body: JSON_BODY, isHttp2: load.isHttp2 };
    const targets = [
      { ...load, url: stock + PATH, requests: REQUESTS / 3 },
      { ...load, url: ours + PATH, requests: REQUESTS },
      { ...bare, url: load.isHttp2 ? http2 : http, requests: REQUESTS },
    ];
    for (const target of targets) await h2load(target);
    const [slow = 0, fast = 0, best = 0] = [
      await h2load(targets[0] as Load),
      await h2load(targets[1] as Load),
      await h2load(targets[2] as Load),
    ];
    figures.push(
      { name: `${name}: stock connect-node`, value: slow, unit: "calls/s" },
      { name: `${name}: ours`, value: fast, unit: "calls/s" },
      { name: `${name}: bare Node`, value: best, unit: "calls/s" },
      { name: `${name}: ours against stock`, value: fast / slow, unit: "x" },
      { name: `${name}: ours against bare`, value: fast / best, unit: "x" },
    );
  }
  const sent = PROTOCOLS.length * 2 * REQUESTS;
  check((await jobsAt(ours)) === sent, `there are ${await jobsAt(ours)} jobs, not ${sent}`);
  check((await jobsAt(stock)) === sent / 3, `there are ${await jobsAt(stock)} jobs on stock, not ${sent / 3}`);
  report(figures);
} finally {
  await Promise.all(servers.map((server) => server.end()));
}
