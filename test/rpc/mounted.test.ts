import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { fastify } from "fastify";
import { createTaskQueue, silentLogger } from "gotaskq";
import { createClient as createNodeClient, createWorker, type Handlers, TaskQueueError } from "gotaskq/client";
import { createClient as createWebClient } from "gotaskq/client/web";
import { ConfigError, createHandler, type HandlerOptions, hashToken, type MountedHandler } from "gotaskq/server";
import { afterEach, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { recordingLogger } from "../support/logger.js";
import { TRANSPORTS } from "../support/transports.js";
import { within } from "../support/wait.js";

const run = promisify(execFile);

/** What of express the tests use. */
interface App extends RequestListener {
  use(...args: unknown[]): void;
  get(path: string, answer: (request: unknown, response: { send(text: string): void }) => void): void;
}
const express = createRequire(import.meta.url)("express") as { (): App; json(): unknown };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function mount(options: HandlerOptions = {}): Promise<MountedHandler> {
  const handler = await createHandler(options);
  closing.push(() => handler.stop({ timeoutMs: 0 }));
  return handler;
}

/** Has a server listen on a free port of this machine; resolves to its URL. */
async function listen(server: Server | ReturnType<typeof createHttp2Server>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function clientOf(url: string, options: Parameters<typeof createNodeClient>[1] = {}) {
  const client = createNodeClient(url, options);
  closing.push(() => client.close());
  return client;
}

async function refusal(call: Promise<unknown>): Promise<TaskQueueError> {
  const error = await within(
    call.catch((thrown: unknown) => thrown),
    "the answer to a call",
  );
  if (!(error instanceof TaskQueueError)) throw new Error(`expected a TaskQueueError, got ${error}`);
  return error;
}

/** Creates a job and follows it to its end. */
async function createAndWatch(transport: ReturnType<(typeof TRANSPORTS)[number]["create"]>): Promise<JobStatus[]> {
  const jobs = createClient(JobService, transport);
  const { job } = await jobs.createJob({ type: "echo", payloadKind: { case: "payloadJson", value: "7" } });
  const seen: JobStatus[] = [];
  for await (const { event } of jobs.watchJob({ id: job?.id ?? "" })) {
    if (event.case === "job") seen.push(event.value.status);
  }
  await jobs.getJob({ id: job?.id ?? "" });
  return seen;
}

describe("a handler that is mounted in a server of one's own", () => {
  test("answers calls and streams of each protocol", async () => {
    const handler = await mount({ basePath: "/queue" });
    const http1 = await listen(createServer(handler));
    const http2 = await listen(createHttp2Server(handler));
    for (const { name, create } of TRANSPORTS) {
      const url = `${name.includes("HTTP/1.1") ? http1 : http2}/queue`;
      const seen = await within(createAndWatch(create(url)), `the end of a job over ${name}`);
      expect(seen.at(-1), name).toBe(JobStatus.DONE);
    }
  });

  test("has the original's API and the OpenAPI document below its base path", async () => {
    const url = await listen(createServer(await mount({ basePath: "/queue", env: { NUM_WORKERS: "0" } })));
    const created = await fetch(`${url}/queue/jobs`, { method: "POST", body: '{"type":"x","payload":1.0}' });
    expect([created.status, await created.text()]).toEqual([201, expect.stringContaining('"payload":1.0,')]);
    const document = await fetch(`${url}/queue/openapi.json`);
    expect(await document.json()).toMatchObject({ openapi: "3.1.0", servers: [{ url: "." }] });
  });

  test("has a client and a worker below its base path, and ends their streams in order", async () => {
    const handler = await mount({ basePath: "/queue/", env: { NUM_WORKERS: "0" } });
    const url = `${await listen(createHttp2Server(handler))}/queue`;
    const worker = createWorker({ url, handlers: { double: ({ payload }) => payload * 2 }, logger: silentLogger });
    closing.push(() => worker.stop({ timeoutMs: 0 }));
    await within(worker.start(), "the start of the worker");
    const client = clientOf(url, { retryMs: 0 });
    const done = await within(client.createAndWait({ type: "double", payload: 21 }), "the end of the job");
    expect([done.status, done.result]).toEqual(["DONE", 42]);
    // A watch that is open when it stops.
    const changes = client.watchJobs()[Symbol.asyncIterator]();
    await within(changes.next(), "the first heartbeat");
    await within(handler.stop(), "the stop of the handler");
    expect(await refusal(client.create({ type: "double" }))).toMatchObject({ reason: "SERVER_DRAINING" });
    await changes.return?.();
  });

  test("passes on what is not below its base path, and answers it where nobody else does", async () => {
    const handler = await mount({ basePath: "/queue" });
    const url = await listen(
      createServer((request, response) => handler(request, response, () => response.end("another page"))),
    );
    const bare = await listen(createServer(handler));
    const text = async (path: string, from = url) => (await fetch(from + path)).text();
    expect(await text("/")).toBe("another page");
    expect(await text("/queues")).toBe("another page");
    expect(await text("/", bare)).toBe("not found\n");
    expect(JSON.parse(await text("/queue/healthz"))).toEqual({ status: "SERVING" });
    expect(JSON.parse(await text("/queue/none"))).toMatchObject({ code: "not_found" });
    expect(await text("/queue/metrics?a=/queue")).toContain("gotaskq_backend_up 1");
  });

  test("has the console below its base path, with all that it loads", async () => {
    const handler = await mount({ basePath: "/ops/queue" });
    const url = await listen(createServer(handler));
    const folder = await fetch(`${url}/ops/queue?theme=dark`);
    expect(folder.url).toBe(`${url}/ops/queue/?theme=dark`);
    const page = await folder.text();
    const [, script = ""] = /<script[^>]* src="([^"]+)"/.exec(page) ?? [];
    const loaded = await fetch(new URL(script, folder.url));
    expect([loaded.status, loaded.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
    const { stdout } = await run("curl", [
      ...["-sS", "-H", "content-type: application/json", "-d", '{"type":"echo","payload":[1]}'],
      `${url}/ops/queue/gotaskq.v1.JobService/CreateJob`,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ job: { type: "echo", payload: [1] } });
  });

  test("stands in an app of Express, and says so when the body of a request was taken away from it", async () => {
    const logger = recordingLogger();
    const handler = await mount({ logger });
    const app = express();
    app.get("/", (_, response) => response.send("my app"));
    app.use("/queue", handler);
    app.use("/named", await mount({ basePath: "/named" }));
    app.use(express.json());
    app.use("/late", handler);
    const url = await listen(createServer(app));
    const client = createWebClient(`${url}/queue`);
    const done = await within(client.createAndWait({ type: "echo", payload: { a: 1 } }), "the end of the job");
    expect(done.result).toEqual({ a: 1 });
    const overHttp1 = { httpVersion: "1.1", retryMs: 0 } as const;
    const handlers: Handlers = { mine: async (_, { enqueue }) => (await enqueue({ type: "echo", payload: 5 })).id };
    const worker = createWorker({ url: `${url}/queue`, handlers, logger: silentLogger, httpVersion: "1.1" });
    closing.push(() => worker.stop({ timeoutMs: 0 }));
    await within(worker.start(), "the start of the worker");
    const node = clientOf(`${url}/queue`, overHttp1);
    const mine = await within(node.createAndWait({ type: "mine" }), "the end of the job");
    expect((await within(node.wait(mine.result), "the end of the other job")).result).toBe(5);
    await worker.stop();
    expect(await (await fetch(url)).text()).toBe("my app");
    expect((await fetch(`${url}/queue`)).url).toBe(`${url}/queue/`);
    expect((await fetch(`${url}/named?a=1`)).url).toBe(`${url}/named/?a=1`);
    expect((await fetch(`${url}/named/healthz`)).status).toBe(200);
    const late = await fetch(`${url}/late/gotaskq.v1.JobService/CreateJob`, {
      ...{ method: "POST", headers: { "content-type": "application/json" }, body: '{"type":"echo"}' },
    });
    const message = "the body of this request was read before: mount GoTaskQ in front of what parses bodies";
    expect([late.status, await late.json()]).toEqual([500, { code: "internal", message }]);
    expect(logger.lines.map((line) => line.message)).toContain(message);
  });

  test("stands in a server of Fastify, over HTTP/2", async () => {
    const handler = await mount({ basePath: "/queue" });
    const app = fastify({ http2: true });
    app.get("/", () => "my app");
    app.register(async (scope) => {
      // Before Fastify reads the body.
      scope.addHook("onRequest", async (request, reply) => {
        reply.hijack();
        handler(request.raw, reply.raw);
      });
      scope.all("/queue/*", () => {});
    });
    closing.push(() => app.close());
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const client = clientOf(`${url}/queue`);
    const done = await within(client.createAndWait({ type: "echo", payload: "x" }), "the end of the job");
    expect(done.result).toBe("x");
  });
});

describe("a handler on the task queue of a program", () => {
  test("serves the jobs that the program creates, counts them, and stops with it", async () => {
    const queue = createTaskQueue({ handlers: { double: ({ payload }) => payload * 2 }, logger: silentLogger });
    const handler = await mount({ queue });
    const url = await listen(createHttp2Server(handler));
    const pages = await listen(createServer(handler));
    const client = clientOf(url, { retryMs: 0 });
    const { job } = await queue.create({ type: "double", payload: 4 });
    const done = await within(client.wait(job.id), "the end of the job");
    expect(done.result).toBe(8);
    const page = await (await fetch(`${pages}/metrics`)).text();
    expect(page).toContain('gotaskq_jobs_processed_total{queue="default",type="double",status="done"} 1');
    await within(handler.stop(), "the stop of the handler");
    await expect(queue.create({ type: "double" })).rejects.toMatchObject({ reason: "SERVER_DRAINING" });
    expect(await refusal(client.get(job.id))).toMatchObject({ reason: "SERVER_DRAINING" });
  });

  test("takes variables of access and limits, and refuses those that the task queue has settings for", async () => {
    const queue = createTaskQueue({ logger: silentLogger });
    closing.push(() => queue.stop({ timeoutMs: 0 }));
    const token = "a-token-that-may-produce";
    const env = { AUTH_TOKENS: `name=producer sha256=${hashToken(token)} scopes=produce` };
    const handler = await mount({ queue, env });
    const url = await listen(createHttp2Server(handler));
    expect(await refusal(clientOf(url).create({ type: "work" }))).toMatchObject({ reason: "TOKEN_INVALID" });
    const { job } = await clientOf(url, { token }).create({ type: "work" });
    expect((await queue.get(job.id)).type).toBe("work");
    const wrong = createHandler({ queue, env: { NUM_WORKERS: "5", USE_REDIS: "true" } });
    await expect(wrong).rejects.toThrow(
      new ConfigError([
        "NUM_WORKERS: the task queue that is handed in has settings of its own",
        "USE_REDIS: the task queue that is handed in has settings of its own",
      ]),
    );
    await expect(createHandler({ queue: {} as never })).rejects.toThrow("queue: must be a task queue");
    await expect(createHandler({ queue, handlers: {} })).rejects.toThrow("has its own");
  });
});

describe("who may call a mounted handler", () => {
  /** A server whose requests seem to come from this address. */
  async function servedFrom(remoteAddress: string | undefined, options: HandlerOptions = {}): Promise<string> {
    const handler = await mount(options);
    return listen(
      createServer((request, response) => {
        if (remoteAddress !== undefined) {
          Object.defineProperty(request.socket, "remoteAddress", { value: remoteAddress, configurable: true });
        }
        handler(request, response);
      }),
    );
  }

  async function answer(url: string, headers: readonly string[] = []): Promise<unknown> {
    const { stdout } = await run("curl", [
      ...["-sS", "-H", "content-type: application/json", "-d", "{}"],
      ...headers.flatMap((each) => ["-H", each]),
      `${url}/gotaskq.v1.QueueService/ListQueues`,
    ]);
    return JSON.parse(stdout);
  }

  const served = { queues: [expect.objectContaining({ name: "default" })] };

  test("without tokens: programs of this machine, by a name of this machine", async () => {
    const here = await servedFrom(undefined);
    expect(await answer(here)).toEqual(expect.objectContaining(served));
    expect(await answer(here, ["host: evil.example.com"])).toMatchObject({ code: "permission_denied" });
    const away = await servedFrom("192.0.2.7");
    expect(await answer(away)).toMatchObject({
      code: "permission_denied",
      message: expect.stringContaining("set AUTH_TOKENS, or AUTH=none"),
    });
    expect(await (await fetch(`${away}/healthz`)).json()).toEqual({ status: "SERVING" });
    const named = await servedFrom("::ffff:127.0.0.1", { env: { ALLOWED_HOSTS: "jobs.example.com" } });
    expect(await answer(named, ["host: jobs.example.com"])).toEqual(expect.objectContaining(served));
  });

  test("without tokens: nobody elsewhere, whom a proxy on this machine passes on", async () => {
    const here = await servedFrom(undefined);
    for (const elsewhere of [
      "x-forwarded-for: 127.0.0.1, 192.0.2.7",
      "x-real-ip: 192.0.2.7",
      'forwarded: for="[2001:db8::7]:80"',
    ]) {
      expect(await answer(here, [elsewhere]), elsewhere).toMatchObject({ code: "permission_denied" });
    }
    for (const local of ["x-forwarded-for: ::1, 127.0.0.1:4711", 'forwarded: for="[::1]:4711";proto=http']) {
      expect(await answer(here, [local]), local).toEqual(expect.objectContaining(served));
    }
  });

  test("without tokens: who calls by a socket of the file system, and nobody who has reset the connection", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gotaskq-mounted-"));
    closing.push(() => rm(folder, { recursive: true }));
    const path = join(folder, "socket");
    const handler = await mount();
    const server = createServer(handler);
    closing.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const { stdout } = await run("curl", ["-sS", "--unix-socket", path, "http://localhost/queue"]);
    expect(JSON.parse(stdout)).toEqual(["default"]);
    // As the kernel answers after a reset: where it came from is not known any more, where it went to is.
    const reset = await listen(
      createServer((request, response) => {
        Object.defineProperty(request.socket, "remoteAddress", { value: undefined });
        handler(request, response);
      }),
    );
    expect(await answer(reset)).toMatchObject({ code: "permission_denied" });
  });

  test("everybody, when the server around decides", async () => {
    const url = await servedFrom("192.0.2.7", { env: { AUTH: "none" } });
    expect(await answer(url, ["host: jobs.example.com"])).toEqual(expect.objectContaining(served));
  });

  test("those with a token, from anywhere", async () => {
    const token = "a-token-of-an-admin";
    const url = await servedFrom("192.0.2.7", {
      env: { AUTH_TOKENS: `name=ops sha256=${hashToken(token)} scopes=admin` },
    });
    expect(await answer(url)).toMatchObject({ code: "unauthenticated" });
    expect(await answer(url, [`authorization: Bearer ${token}`, "host: jobs.example.com"])).toEqual(
      expect.objectContaining(served),
    );
  });

  test("options that cannot be used are refused", async () => {
    await expect(createHandler({ basePath: "queue" })).rejects.toThrow('basePath: must be a path like "/queue"');
    await expect(createHandler({ env: { PROCESSES: "2" } })).rejects.toThrow("PROCESSES");
    await expect(createHandler({ env: { HOST: "0.0.0.0" } })).rejects.toThrow("HOST");
  });
});
