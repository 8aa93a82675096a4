import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "gotaskq/client";
import { afterAll, describe, expect, test } from "vitest";
import { isPassing } from "../../src/client/convert/errors.js";
import { CODE_OF_REASON, TaskQueueError } from "../../src/model/common/errors.js";
import { readConfig } from "../../src/server/config/config.js";
import { freePort } from "../support/free-port.js";
import { blocks, ROOT, readReadme, section } from "../support/readme.js";
import { startServerProcess } from "../support/server-process.js";
import { runShellSteps, shellSteps } from "../support/shell-steps.js";

const run = promisify(execFile);
// Inside the package, so that "gotaskq" means this package.
const folder = `${ROOT}.build/readme`;

const MAIN = "README.md";
const API = "proto/README.md";
const CLIENT = "src/client/README.md";
const SERVER = "src/server/README.md";

/** Writes a file with this code. Returns its path. */
function write(name: string, code: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}`, code);
  return `${folder}/${name}`;
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the READMEs", () => {
  test.each([
    [MAIN, "A tour in five minutes", 11],
    [API, "Acting on many jobs", 4],
    [API, "Payloads and results", 1],
    [API, "Many in one call", 2],
    [API, "Delay and cancel", 3],
    [API, "Jobs that expire", 2],
    [API, "Keys", 4],
    [API, "Why a job does not run", 4],
    [API, "Settings of a queue", 5],
    [API, "Rates", 3],
    [API, "Unique jobs", 4],
    [API, "Schedules", 7],
    [API, "Workers in any language", 5],
    [API, "Clients in other languages", 1],
    [API, "The original's HTTP API", 6],
    [API, "OpenAPI", 2],
  ])("have commands (%s, %s) that answer what they say", async (path, title, atLeast) => {
    const server = await startServerProcess({ LOG_LEVEL: "silent" });
    const steps = shellSteps(section(path, title).replaceAll("http://127.0.0.1:8000", server.url));
    expect(steps.length).toBeGreaterThanOrEqual(atLeast);
    const outputs = await runShellSteps(steps, folder, ROOT);
    for (const [index, { commands, part }] of steps.entries()) {
      expect(outputs[index], `after ${commands}`).toContain(part);
    }
    expect(await server.end()).toBe(0);
  });

  test("have a curl line at start that works", async () => {
    const server = await startServerProcess({ LOG_FORMAT: "pretty" });
    await server.printed("try: ");
    const line = /^try: (.*)$/m.exec(server.output())?.[1] ?? "";
    const { stdout } = await run("bash", ["-c", line]);
    expect(JSON.parse(stdout)).toMatchObject({ job: { type: "logger", payload: { msg: "hello" } } });
    await server.end();
  });

  test("have handlers that a server loads and runs", async () => {
    const [code = ""] = blocks(CLIENT, "Your own handlers", "ts");
    const server = await startServerProcess({ HANDLERS: write("my-handlers.ts", code) });
    const call = async (method: string, message: object) => {
      const response = await fetch(`${server.url}/gotaskq.v1.JobService/${method}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(message),
      });
      return (await response.json()) as { job: { id: string; status: string; result: unknown } };
    };
    const { job } = await call("CreateJob", { type: "double", payload: 21 });
    await run(
      "npx",
      [
        "buf",
        "curl",
        "--schema",
        "proto",
        "-d",
        JSON.stringify({ id: job.id }),
        `${server.url}/gotaskq.v1.JobService/WatchJob`,
      ],
      { cwd: ROOT },
    );
    expect((await call("GetJob", { id: job.id })).job).toMatchObject({ status: "JOB_STATUS_DONE", result: 42 });
    const client = createClient(server.url);
    await client.createAndWait({ type: "news.send", payload: { to: ["nobody"], text: "hello" } });
    const mails = [];
    for await (const { id } of client.list({ type: "mail.send" })) mails.push(await client.wait(id));
    expect(mails).toMatchObject([{ status: "DEAD", error: "no address: nobody" }]);
    client.close();
    await server.end();
  });

  test("have an authorizer that a server loads and asks, and a way to make a token", async () => {
    const [code = ""] = blocks(SERVER, "Access", "ts");
    const { stdout } = await run("npm", ["run", "--silent", "token"], { cwd: ROOT });
    const { token, sha256 } = JSON.parse(stdout) as { token: string; sha256: string };
    const AUTH_TOKENS = `name=shop sha256=${sha256} scopes=produce`;
    const server = await startServerProcess({ AUTHORIZER: write("authorizer.ts", code), AUTH_TOKENS });
    const list = async (authorization: string) => {
      const headers = { "content-type": "application/json", authorization };
      const url = `${server.url}/gotaskq.v1.QueueService/ListQueues`;
      return (await fetch(url, { method: "POST", headers, body: "{}" })).status;
    };
    expect([await list("Bearer demo"), await list("Bearer other"), await list(`Bearer ${token}`)]).toEqual([
      200, 401, 403,
    ]);
    await server.end();
  });

  test("have a library program that runs", async () => {
    const [code = ""] = blocks(CLIENT, "As a library", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("library.mts", code)], { cwd: ROOT });
    expect(stdout.trim()).toBe("DONE 42");
  });

  test("have in the main one a library program that runs, and handlers that do", async () => {
    const [handlers = "", program = ""] = blocks(MAIN, "Who runs the jobs", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("main.mts", program)], { cwd: ROOT });
    expect(stdout.trim()).toBe("42");
    const module = await import(write("main-handlers.ts", handlers));
    expect(module.default.double({ payload: 21 })).toBe(42);
  });

  test("have a program that serves its task queue inside a server of its own", async () => {
    const [code = ""] = blocks(SERVER, "Inside a server of your own", "ts");
    const program = code.replaceAll("8000", String(await freePort()));
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("mounted.mts", program)], { cwd: ROOT });
    expect(stdout.trim()).toBe("DONE 42");
  });

  test("have a test that passes", async () => {
    const [code = ""] = blocks(CLIENT, "Testing", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("testing.mts", code)], { cwd: ROOT });
    expect(stdout.trim()).toBe("all as expected");
  });

  test("have a program with a schedule that runs", async () => {
    const [code = ""] = blocks(API, "Schedules", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("schedule.mts", code)], { cwd: ROOT });
    expect(stdout.trim()).toBe("1\nlast");
  });

  test("have a program with unique jobs that runs", async () => {
    const [code = ""] = blocks(API, "Unique jobs", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("unique.mts", code)], { cwd: ROOT });
    expect(stdout.trim()).toBe("true true");
  });

  test("have a TypeScript client that runs", async () => {
    const server = await startServerProcess();
    const [code = ""] = blocks(CLIENT, "The client", "ts");
    const program = code.replace("http://127.0.0.1:8000", server.url);
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("client.mts", program)], { cwd: ROOT });
    const lines = stdout.trim().split("\n");
    expect(lines.at(-2)).toBe("DONE undefined");
    expect(lines.at(-1)).toBe("DONE [ 1, 2, 3 ]");
    await server.end();
  });

  test("have a program with declared jobs that runs", async () => {
    const server = await startServerProcess({ NUM_WORKERS: "0" });
    const [code = ""] = blocks(CLIENT, "Every task queue", "ts");
    const program = code.replace("http://127.0.0.1:8000", server.url);
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("jobs.mts", program)], { cwd: ROOT });
    expect(stdout.trim()).toBe(String(new Date().getUTCFullYear()));
    await server.end();
  });

  test("have a TypeScript worker that runs", async () => {
    const server = await startServerProcess({ NUM_WORKERS: "0" });
    const [code = ""] = blocks(CLIENT, "A worker", "ts");
    const file = write("worker.mts", code.replace("http://127.0.0.1:8000", server.url));
    const worker = spawn(process.execPath, ["--import", "tsx", file], { cwd: ROOT, stdio: "inherit" });
    const exit = once(worker, "exit");
    const client = createClient(server.url);
    const job = await client.createAndWait({ type: "thumbnail", payload: { file: "cat.png" } });
    expect(job).toMatchObject({ status: "DONE", result: { width: 64, file: "cat.png" } });
    worker.kill();
    expect(await exit).toEqual([0, null]);
    client.close();
    await server.end();
  });

  test("name every variable of the configuration, and no other", () => {
    const known = new Set<string>();
    // Some are read only where others say so.
    for (const env of [{}, { USE_REDIS: "true", REDIS_URL: "rediss://127.0.0.1" }]) {
      const asked = (name: string) => {
        known.add(name);
        return (env as Record<string, string>)[name];
      };
      readConfig(new Proxy({} as Record<string, string>, { get: (_, name) => asked(String(name)) }));
    }
    const named = [...section(SERVER, "Configuration").matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) =>
      [...(cell ?? "").matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name),
    );
    expect(named.sort()).toEqual([...known].sort());
  });

  test("tell every reason of an error, with its code, and whether the client takes it for one that may pass", () => {
    const rows = [...section(API, "Errors").matchAll(/^\| (`[A-Z_`, ]+`) \| ([A-Z_]+) \| (yes|no) \|/gm)].flatMap(
      ([, reasons = "", code, again]) =>
        [...reasons.matchAll(/`([A-Z_]+)`/g)].map(([, reason]) => [reason, code, again]),
    );
    const known = Object.entries(CODE_OF_REASON).map(([reason, code]) => {
      return [reason, code, isPassing(new TaskQueueError(reason, "")) ? "yes" : "no"];
    });
    expect(rows.sort()).toEqual(known.sort());
  });

  test("have links that lead somewhere, and the main one is short", () => {
    const files = execFileSync("git", ["ls-files", "*.md"], { cwd: ROOT, encoding: "utf8" }).trim().split("\n");
    const prose = (path: string) =>
      readReadme(path)
        .replaceAll(/^```.*?^```$/gms, "")
        .replaceAll(/`[^`\n]*`/g, "code");
    const anchors = (path: string) => {
      const titles = readReadme(path)
        .replaceAll(/^```.*?^```$/gms, "")
        .matchAll(/^#{1,4} (.+)$/gm);
      return new Set([...titles].map(([, title = ""]) => anchorOf(title)));
    };
    const links = files.flatMap((file) =>
      [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => ({ file, link })),
    );
    expect(links.length).toBeGreaterThan(200);
    const broken = links.filter(({ file, link }) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? file : join(dirname(file), path);
      if (!existsSync(`${ROOT}${target}`)) return true;
      return anchor !== undefined && target.endsWith(".md") && !anchors(target).has(anchor);
    });
    expect(broken).toEqual([]);
    expect(readReadme(MAIN).split("\n").length).toBeLessThan(300);
  });
});

/** The anchor that a title gets. */
function anchorOf(title: string): string {
  return title
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}
