import { request } from "node:https";
import { tmpdir } from "node:os";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { createAuthority } from "../support/certificates.js";
import { type Exposition, readExposition, type Series } from "../support/exposition.js";
import { startRedis } from "../support/redis.js";
import { created, finished, payload, reaches, reading, refusal } from "../support/rpc.js";
import { newQueue, startTestServer } from "../support/server.js";
import { startServerProcess } from "../support/server-process.js";
import { eventually } from "../support/wait.js";

/** The pages of real servers that have seen everything that metrics tell. */
export interface Pages {
  readonly texts: readonly string[];
  /** Types by name of metric. */
  readonly types: ReadonlyMap<string, string>;
  readonly series: readonly Series[];
}

const TOKEN = `gtq_${"a".repeat(43)}`;

function getOverTls(port: number, path: string, token?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const call = request({ port, host: "127.0.0.1", path, headers, rejectUnauthorized: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    call.on("error", reject).end();
  });
}

/** The page of a server with a file, TLS and tokens. */
async function pageOfFile(): Promise<string> {
  const authority = createAuthority();
  const { cert, key } = authority.issue("server");
  const server = await startTestServer({
    DATA_DIR: `${authority.folder}/data`,
    ...{ TLS_CERT: cert, TLS_KEY: key, AUTH_TOKENS: `name=prometheus token=${TOKEN} scopes=read` },
  });
  await server.engine.jobs.create({ type: "echo" });
  // A schedule that has fired, and left out a time as its last job is not finished.
  await server.engine.schedules.create({ name: "s", everyMs: 1000, overlap: "SKIP", job: { type: "nobody" } });
  const isSkipped = async () => {
    return (
      (await getOverTls(server.port, "/metrics", TOKEN)).body.includes("gotaskq_schedules_skipped_total{") || undefined
    );
  };
  await eventually(isSkipped, "a time that is left out");
  const { status } = await getOverTls(server.port, "/metrics");
  if (status !== 401) throw new Error(`without a token the answer was ${status}`);
  return (await getOverTls(server.port, "/metrics", TOKEN)).body;
}

/** The page of a server with several processes. */
async function pageOfProcesses(): Promise<string> {
  const { url, child } = await startServerProcess({ PROCESSES: "2", NUM_WORKERS: "0" }, tmpdir());
  const body = await (await fetch(`${url}/metrics`)).text();
  child.kill();
  return body;
}

/** The page of a server on Redis, after jobs that end in every way. */
async function pageOfRedis(): Promise<string> {
  const redis = await startRedis();
  const { url } = redis;
  const server = await startTestServer({ USE_REDIS: "true", REDIS_URL: url, BASE_DELAY: "0", REQUEST_TIMEOUT: "30s" });
  const queue = await newQueue(server, "mail");
  await finished(server, await created(server, { queue, type: "echo" }));
  await reaches(server, await created(server, { queue, type: "fail", maxRetries: 1 }), JobStatus.DEAD);
  await server.jobs.createJob({ queue, type: "echo", schedule: { case: "delay", value: { seconds: 3600n } } });
  await server.jobs.createJob({ queue, type: "nobody", payloadKind: payload({ n: 1 }) });
  await refusal(server.jobs.getJob({ id: "1" }));
  await server.jobs.batchGetJobs({ ids: ["1"] });
  // A lease that runs out, and an outcome that comes too late.
  const id = await created(server, { queue, type: "remote" });
  const { leasing, backend } = server.engine;
  const taken = { queues: [queue], types: ["remote"], max: 1, worker: "w" };
  const [lease] = await leasing.lease({ ...taken, leaseMs: 1 });
  await reaches(server, id, JobStatus.PENDING);
  await leasing.lease({ ...taken, leaseMs: 60_000 });
  await leasing.complete([{ jobId: id, token: lease?.token ?? "", result: undefined }]);
  await backend.setPaused(queue, true);
  const stream = reading(server.jobs.watchJobs({}));
  await stream.next();
  const admin = redis.client();
  await admin.config("SET", "maxmemory", "1mb");
  await refusal(server.jobs.createJob({ queue, type: "echo" }));
  await admin.config("SET", "maxmemory", "1gb");
  return server.metrics();
}

/** Reads the pages. To be called once, in a `beforeAll`. */
export async function readPages(): Promise<Pages> {
  const texts = [await pageOfFile(), await pageOfRedis(), await pageOfProcesses()];
  const read = texts.map((text): Exposition => readExposition(text));
  const problems = read.flatMap((page) => page.problems);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return {
    texts,
    types: new Map(read.flatMap(({ types }) => [...types])),
    series: read.flatMap(({ series }) => series),
  };
}
