import { rmSync } from "node:fs";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { createAuthority } from "../../support/certificates.js";
import { envelope } from "../../support/wire.js";
import { type Figure, median, report } from "../figures.js";
import { h2load, installH2load, type Load } from "../h2load.js";
import { type BenchProcess, startProgram } from "../processes.js";

// CreateJob, one job per call, from 64 callers, in plain text and over TLS: gRPC over HTTP/2, and Connect JSON over HTTP/1.1. Both
// servers are loaded in turn, each in a process of its own. The keys are of elliptic curves, as today's certificates are.

const REQUESTS = 10_000;
/** How many loads each server gets before it is measured, and how many are measured. */
const WARM_UP = 4;
const ROUNDS = 9;
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

async function open(env: Readonly<Record<string, string>>): Promise<{ process: BenchProcess; url: string }> {
  const process = startProgram("rpc-server", ["fast"], env);
  return { process, url: (await process.line(/^https?:.+/)) + PATH };
}

installH2load();
const authority = createAuthority();
const { cert, key } = authority.issue("server");
const figures: Figure[] = [];
for (const { name, load } of LOADS) {
  const [plain, secure] = await Promise.all([open({}), open({ TLS_CERT: cert, TLS_KEY: key })]);
  const rates = { plain: [] as number[], secure: [] as number[] };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const first = await h2load({ ...load, url: plain.url });
    const second = await h2load({ ...load, url: secure.url });
    if (round < 0) continue;
    rates.plain.push(first);
    rates.secure.push(second);
  }
  await Promise.all([plain.process.end(), secure.process.end()]);
  const [bare, tls] = [median(rates.plain), median(rates.secure)];
  figures.push(
    { name: `${name}: plain text`, value: bare, unit: "calls/s" },
    { name: `${name}: TLS`, value: tls, unit: "calls/s" },
    { name: `${name}: TLS against plain text`, value: tls / bare, unit: "x" },
  );
}
rmSync(authority.folder, { recursive: true });
report(figures);
