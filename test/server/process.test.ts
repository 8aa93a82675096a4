import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { run } from "../support/command.js";
import { created, finished, jsonOf, payload, reaches, reading, refusal } from "../support/rpc.js";
import { createClients, startTestServer } from "../support/server.js";
import { spawnServer, startServerProcess } from "../support/server-process.js";
import { GRPC } from "../support/transports.js";
import { within } from "../support/wait.js";
import { http1 } from "../support/wire.js";

const FIXTURES = fileURLToPath(new URL("../handlers/fixtures", import.meta.url));

/** A folder without a `.env`. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Resolves to the exit code and output of a process that ends by itself. */
async function outcome(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const text = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk) => {
    text.stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    text.stderr += chunk;
  });
  const [code] = await within(once(child, "close"), "the end of the server");
  return { code: code as number | null, ...text };
}

/** Returns the status of a request to /healthz, on a connection of its own. */
async function health(url: string): Promise<number> {
  return (await http1(url, { method: "GET", path: "/healthz" })).status;
}

describe("the server program", () => {
  test("says where it listens and what it keeps jobs in, and prints a curl line that works", async () => {
    const server = await startServerProcess({ LOG_FORMAT: "pretty" }, folder);
    await server.printed("try: ");
    const output = server.output();
    expect(output).toContain(`GoTaskQ listens on ${server.url} (Connect, gRPC, gRPC-Web; HTTP/1.1 and HTTP/2)`);
    expect(output).toContain("backend: memory (jobs end with this process; DATA_DIR=./data keeps them in a file)");
    expect(output).toContain("handlers: the built-in logger, echo, sleep, fail");
    const command = /^try: (curl .*)$/m.exec(output)?.[1] ?? "";
    const { code, stdout } = await run("sh", ["-c", `${command} -sS`]);
    expect(code).toBe(0);
    const { job } = JSON.parse(stdout) as { job: { id: string } };
    expect(job).toMatchObject({ type: "logger", payload: { msg: "hello" }, status: "JOB_STATUS_PENDING" });
    expect(await finished(createClients(GRPC, server.url), job.id)).toMatchObject({ status: JobStatus.DONE });
    expect(await server.end("SIGINT")).toBe(0);
    expect(server.output()).toContain("stopped");
  });

  test.each([
    ["--help", 0, /^A GoTaskQ server[\s\S]*\n {2}QUEUE_POLICY +round-robin/, /^$/],
    ["--version", 0, /^\d+\.\d+\.\d+\n$/, /^$/],
    ["--port", 2, /^$/, /^unexpected argument "--port": --help tells/],
  ])("starts no server for the argument %s", async (argument, code, stdout, stderr) => {
    const child = spawnServer({ NUM_WORKERS: "not read" }, folder, undefined, [argument]);
    expect(await outcome(child)).toEqual({
      code,
      stdout: expect.stringMatching(stdout),
      stderr: expect.stringMatching(stderr),
    });
  });

  test("warns of variables that do nothing", async () => {
    const server = await startServerProcess({ QUEUE_POLCY: "strict", REDIS_URL: "redis://127.0.0.1:1" }, folder);
    const lines = server
      .output()
      .split("\n")
      .map((line) => JSON.parse(line));
    const warnings = lines.filter(({ level }) => level === "warn");
    expect(warnings.map(({ variable }) => variable)).toEqual(["QUEUE_POLCY", "REDIS_URL"]);
    expect(warnings[0]?.msg).toContain("is QUEUE_POLICY meant?");
    expect(await server.end()).toBe(0);
  });

  test("keeps jobs in a folder over its end, tells so, and has the folder for itself", async () => {
    const data = join(folder, "data");
    const env = { DATA_DIR: data, NUM_WORKERS: "0", LOG_FORMAT: "pretty" };
    const first = await startServerProcess(env, folder);
    await first.printed(`backend: file (jobs are kept in ${data} and survive this process and a power cut)`);
    const { job } = await createClients(GRPC, first.url).jobs.createJob({ type: "echo" });
    const second = await outcome(spawnServer(env, folder));
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/^DATA_DIR: .*data: is in use by another process \(pid \d+\)/);
    expect(second.stderr).toContain(String(first.child.pid));
    await first.end("SIGKILL");
    const third = await startServerProcess(env, folder);
    const clients = createClients(GRPC, third.url);
    expect((await clients.jobs.getJob({ id: job?.id ?? "" })).job?.status).toBe(JobStatus.PENDING);
    expect(await clients.info.getServerInfo({})).toMatchObject({ backend: "file", durable: true });
    expect(await third.end()).toBe(0);
    await writeFile(join(data, "gotaskq.db"), "this is no database".repeat(500));
    const { code, stderr } = await outcome(spawnServer(env, folder));
    expect(code).toBe(2);
    expect(stderr).toMatch(/^DATA_DIR: .*gotaskq\.db: is damaged: .*Put back a backup/);
  }, 60_000);

  test("refuses a bad configuration with every problem and code 2", async () => {
    const env = { PORT: "x", BASE_DELAY: "soon", LOG_LEVEL: "loud", USE_REDIS: "perhaps", QUEUES: "No Queue" };
    const pretty = await outcome(spawnServer({ ...env, LOG_FORMAT: "pretty" }, folder));
    expect([pretty.code, pretty.stdout]).toEqual([2, ""]);
    const [first, ...problems] = pretty.stderr.trim().split("\n");
    expect(first).toBe("the configuration is not valid:");
    expect(problems.map((line) => line.trim().split(":")[0]).toSorted()).toEqual(Object.keys(env).toSorted());
    expect(pretty.stderr).not.toContain("    at ");
    const { code, stdout, stderr } = await outcome(spawnServer({ ...env, LOG_FORMAT: "xml" }, folder));
    expect([code, stderr]).toEqual([2, ""]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ variable }) => variable).toSorted()).toEqual(
      Object.keys({ ...env, LOG_FORMAT: "" }).toSorted(),
    );
    for (const { level, msg, variable } of lines)
      expect([level, msg.startsWith(`${variable}: `)]).toEqual(["fatal", true]);
  });

  test("ends with code 2 when its port is taken, and says so", async () => {
    const { port } = await startTestServer();
    const { code, stderr } = await outcome(spawnServer({ PORT: String(port), LOG_FORMAT: "pretty" }, folder));
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`^HOST, PORT: cannot listen there: .*EADDRINUSE.*${port}\\n$`));
    const { stdout } = await outcome(spawnServer({ PORT: String(port) }, folder));
    expect(JSON.parse(stdout)).toMatchObject({ level: "fatal", variable: "HOST, PORT" });
  });

  test("ends with code 2 when its host is none of this machine", async () => {
    const { code, stdout } = await outcome(spawnServer({ HOST: "203.0.113.1", AUTH: "none" }, folder));
    expect(code).toBe(2);
    expect(JSON.parse(stdout).msg).toMatch(/^HOST, PORT: cannot listen there: .*EADDRNOTAVAIL/);
  });

  test("reads .env, and lets the environment come first", async () => {
    const home = await mkdtemp(join(folder, "env-"));
    await writeFile(join(home, ".env"), "# a comment\nQUEUES='from-file, more'\nPORT=not-this\nLOG_LEVEL=error\n");
    const server = await startServerProcess({}, home);
    const { queues } = createClients(GRPC, server.url);
    const names = (await queues.listQueues({})).queues.map(({ name }) => name);
    expect(names).toEqual(["default", "from-file", "more"]);
    expect(await server.end()).toBe(0);
  });

  test("refuses what .env says wrong", async () => {
    const home = await mkdtemp(join(folder, "env-"));
    await writeFile(join(home, ".env"), "NUM_WORKERS=many\n");
    const { code, stdout } = await outcome(spawnServer({}, home));
    expect(code).toBe(2);
    expect(JSON.parse(stdout).msg).toContain('NUM_WORKERS: must be a whole number from 0 to 10000, got "many"');
  });
});

describe("HANDLERS", () => {
  test("runs jobs by a TypeScript module, found from where the program was started", async () => {
    const home = await mkdtemp(join(folder, "handlers-"));
    await cp(join(FIXTURES, "default-export.ts"), join(home, "my-handlers.ts"));
    const server = await startServerProcess({ HANDLERS: "./my-handlers.ts", LOG_FORMAT: "pretty" }, home);
    await server.printed("try: ");
    await server.printed("handlers: greet, mail.send");
    expect(server.output()).toContain('-d \'{"type":"greet"');
    const clients = createClients(GRPC, server.url);
    const job = await finished(clients, await created(clients, { type: "greet" }));
    expect(jsonOf(job.resultKind)).toBe("hello from TypeScript");
    expect(await server.end()).toBe(0);
  });

  test.each([
    ["missing.ts", /HANDLERS: .*missing\.ts cannot be loaded/],
    ["throws.ts", /HANDLERS: .*throws\.ts cannot be loaded: the database is away/],
    ["nothing.mjs", /HANDLERS: .*nothing\.mjs exports no handler/],
  ])("that cannot be used ends the program with code 2: %s", async (name, message) => {
    const { code, stdout } = await outcome(spawnServer({ HANDLERS: join(FIXTURES, name) }, folder));
    expect(code).toBe(2);
    expect(stdout).toMatch(message);
    expect(JSON.parse(stdout)).toMatchObject({ level: "fatal", variable: "HANDLERS" });
    expect(stdout).not.toContain("    at ");
  });
});

describe("a server that is told to end", () => {
  test("lets running jobs finish, refuses new ones, says so to probes, and ends with code 0", async () => {
    const env = { SHUTDOWN_TIMEOUT: "30s", HANDLERS: join(FIXTURES, "until-canceled.mjs") };
    const server = await startServerProcess(env, folder);
    const clients = createClients(GRPC, server.url);
    expect(await health(server.url)).toBe(200);
    const id = await created(clients, { type: "patient" });
    await reaches(clients, id, JobStatus.RUNNING);
    const watch = reading(clients.jobs.watchJob({ id }));
    const changes = reading(clients.jobs.watchJobs({}));
    await changes.next();
    const ended = server.end("SIGTERM");
    await server.printed("SIGTERM: ");
    expect(await health(server.url)).toBe(503);
    expect(await refusal(clients.jobs.createJob({ type: "patient" }))).toMatchObject({ reason: "SERVER_DRAINING" });
    await clients.jobs.cancelJob({ id });
    expect((await watch.rest()).at(-1)?.event).toMatchObject({ case: "job", value: { status: JobStatus.DONE } });
    expect(await refusal(changes.rest())).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_DRAINING" });
    expect(await within(ended, "the end of the server")).toBe(0);
    expect(server.output()).toContain("stopped");
    await expect(health(server.url)).rejects.toThrow("ECONNREFUSED");
  });

  test("gives back jobs that take longer than SHUTDOWN_TIMEOUT, and ends with code 0", async () => {
    const server = await startServerProcess({ SHUTDOWN_TIMEOUT: "1ms" }, folder);
    const clients = createClients(GRPC, server.url);
    const id = await created(clients, { type: "sleep", payloadKind: payload({ ms: 3_600_000 }) });
    await reaches(clients, id, JobStatus.RUNNING);
    const watch = reading(clients.jobs.watchJob({ id }));
    await watch.next();
    const seen = refusal(watch.rest());
    expect(await within(server.end(), "the end of the server")).toBe(0);
    expect(await seen).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_DRAINING" });
  });

  test("ends at once with code 1 when it is told twice", async () => {
    const server = await startServerProcess({ SHUTDOWN_TIMEOUT: "1h" }, folder);
    const clients = createClients(GRPC, server.url);
    const id = await created(clients, { type: "sleep", payloadKind: payload({ ms: 3_600_000 }) });
    await reaches(clients, id, JobStatus.RUNNING);
    const ended = server.end("SIGTERM");
    await server.printed("SIGTERM: ");
    server.child.kill("SIGINT");
    expect(await within(ended, "the end of the server")).toBe(1);
    expect(server.output()).toContain("SIGINT again: ending at once");
  });
});
