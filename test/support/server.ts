import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { Health } from "../../gen/health/v1/health_pb.js";
import { silentLogger } from "../../src/model/log/logger.js";
import { readConfig } from "../../src/server/config/config.js";
import { type Server, type ServerDeps, startServer } from "../../src/server/server.js";
import { cleanup } from "./cleanup.js";
import { GRPC, type TransportKind } from "./transports.js";

/** Typed clients of all services. */
export interface Clients {
  readonly jobs: Client<typeof JobService>;
  readonly queues: Client<typeof QueueService>;
  readonly dlq: Client<typeof DlqService>;
  readonly schedules: Client<typeof ScheduleService>;
  readonly workers: Client<typeof WorkerService>;
  readonly info: Client<typeof ServerService>;
  readonly healthy: Client<typeof Health>;
}

/** A server on a free port of this machine, with clients over gRPC. */
export interface TestServer extends Clients, Server {
  readonly port: number;
  /** Returns clients over another transport. */
  connect(kind: TransportKind): Clients;
  /** Returns the page at /metrics. */
  metrics(): Promise<string>;
}

/** Environment variables that a test sets in place of the defaults. */
export type TestEnvironment = Readonly<Record<string, string>>;

const ofFile = new Set<TestServer>();
const ofTest = new Set<TestServer>();
let isInTest = false;

async function stopAll(servers: Set<TestServer>): Promise<void> {
  const stopping = [...servers];
  servers.clear();
  await Promise.all(stopping.map((server) => server.stop()));
}

cleanup.beforeEachTest(() => {
  isInTest = true;
});
cleanup.afterEachTest(async () => {
  isInTest = false;
  await stopAll(ofTest);
});
cleanup.afterEachFile(() => stopAll(ofFile));

/**
 * Starts a real server in this process. One started in a test ends after that test, one started in `beforeAll` after
 * the file. Running jobs are not waited for at its end unless `SHUTDOWN_TIMEOUT` is set.
 */
export async function startTestServer(env: TestEnvironment = {}, deps: Partial<ServerDeps> = {}): Promise<TestServer> {
  const folder = process.env.GOTASKQ_TEST_STORE === "file" ? mkdtempSync(join(tmpdir(), "gotaskq-server-")) : undefined;
  const place = folder !== undefined && env.USE_REDIS === undefined ? { DATA_DIR: folder } : {};
  const config = readConfig({ PORT: "0", SHUTDOWN_TIMEOUT: "0", ...place, ...env });
  const started = await startServer(config, { logger: silentLogger, ...deps });
  const server = {
    ...started,
    async stop() {
      await started.stop();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
  const connect = (kind: TransportKind) => createClients(kind, server.url);
  const testServer: TestServer = {
    ...server,
    ...connect(GRPC),
    port: server.address.port,
    connect,
    metrics: async () => (await fetch(`${server.url}/metrics`)).text(),
  };
  (isInTest ? ofTest : ofFile).add(testServer);
  return testServer;
}

/** Creates clients of a server at this address. */
export function createClients(kind: TransportKind, url: string): Clients {
  const transport = kind.create(url);
  return {
    jobs: createClient(JobService, transport),
    queues: createClient(QueueService, transport),
    dlq: createClient(DlqService, transport),
    schedules: createClient(ScheduleService, transport),
    workers: createClient(WorkerService, transport),
    info: createClient(ServerService, transport),
    healthy: createClient(Health, transport),
  };
}

/** Creates a queue and returns its name. */
export async function newQueue({ queues }: Pick<Clients, "queues">, name: string): Promise<string> {
  await queues.createQueue({ name });
  return name;
}
