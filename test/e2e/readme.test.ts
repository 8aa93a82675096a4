import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "gotaskq/client";
import { afterAll, describe, expect, test } from "vitest";
import { isPassing } from "../../src/client/errors.js";
import { CODE_OF_REASON, TaskQueueError } from "../../src/model/errors.js";
import { readConfig } from "../../src/server/config/config.js";
import { startServerProcess } from "../support/server-process.js";
import { runShellSteps, shellSteps } from "../support/shell-steps.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
// Inside the package, so that "gotaskq" means this package.
const folder = `${root}.build/readme`;
const readme = readFileSync(`${root}README.md`, "utf8");

/** The section with this title. */
function section(title: string): string {
  return readme.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? "";
}

/** Returns the code blocks of one language in the section with this title. */
function blocks(title: string, language: string): string[] {
  return [...section(title).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(
    ([, code]) => code ?? "",
  );
}

/** Writes a file with this code. Returns its path. */
function write(name: string, code: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}`, code);
  return `${folder}/${name}`;
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the README", () => {
  test.each([
    ["A tour in five minutes", 11],
    ["Keys", 4],
    ["Why a job does not run", 4],
    ["Settings of a queue", 5],
    ["Rates", 3],
    ["Unique jobs", 4],
    ["Schedules", 7],
    ["Workers in any language", 5],
    ["Clients in other languages", 1],
  ])("has commands in %s that answer what it says", async (title, atLeast) => {
    const server = await startServerProcess({ LOG_LEVEL: "silent" });
    const steps = shellSteps(section(title).replaceAll("http://127.0.0.1:8000", server.url));
    expect(steps.length).toBeGreaterThanOrEqual(atLeast);
    const outputs = await runShellSteps(steps, folder, root);
    for (const [index, { commands, part }] of steps.entries()) {
      expect(outputs[index], `after ${commands}`).toContain(part);
    }
    expect(await server.end()).toBe(0);
  });

  test("has a curl line at start that works", async () => {
    const server = await startServerProcess({ LOG_FORMAT: "pretty" });
    await server.printed("try: ");
    const line = /^try: (.*)$/m.exec(server.output())?.[1] ?? "";
    const { stdout } = await run("bash", ["-c", line]);
    expect(JSON.parse(stdout)).toMatchObject({ job: { type: "logger", payload: { msg: "hello" } } });
    await server.end();
  });

  test("has handlers that a server loads and runs", async () => {
    const [code = ""] = blocks("Your own handlers", "ts");
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
      { cwd: root },
    );
    expect((await call("GetJob", { id: job.id })).job).toMatchObject({ status: "JOB_STATUS_DONE", result: 42 });
    await server.end();
  });

  test("has an authorizer that a server loads and asks, and a way to make a token", async () => {
    const [code = ""] = blocks("Access", "ts");
    const { stdout } = await run("npm", ["run", "--silent", "token"], { cwd: root });
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

  test("has a library program that runs", async () => {
    const [code = ""] = blocks("As a library", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("library.mts", code)], { cwd: root });
    expect(stdout.trim()).toBe("DONE 42");
  });

  test("has a program with a schedule that runs", async () => {
    const [code = ""] = blocks("Schedules", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("schedule.mts", code)], { cwd: root });
    expect(stdout.trim()).toBe('1\n"last"');
  });

  test("has a program with unique jobs that runs", async () => {
    const [code = ""] = blocks("Unique jobs", "ts");
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("unique.mts", code)], { cwd: root });
    expect(stdout.trim()).toBe("true true");
  });

  test("has a TypeScript client that runs", async () => {
    const server = await startServerProcess();
    const [code = ""] = blocks("Clients in other languages", "ts");
    const program = code.replace("http://127.0.0.1:8000", server.url);
    const { stdout } = await run(process.execPath, ["--import", "tsx", write("client.mts", program)], { cwd: root });
    const lines = stdout.trim().split("\n");
    expect(lines.at(-2)).toBe("DONE undefined");
    expect(lines.at(-1)).toBe("DONE [ 1, 2, 3 ]");
    await server.end();
  });

  test("has a TypeScript worker that runs", async () => {
    const server = await startServerProcess({ NUM_WORKERS: "0" });
    const [code = ""] = blocks("Workers in any language", "ts");
    const file = write("worker.mts", code.replace("http://127.0.0.1:8000", server.url));
    const worker = spawn(process.execPath, ["--import", "tsx", file], { cwd: root, stdio: "inherit" });
    const exit = once(worker, "exit");
    const client = createClient(server.url);
    const job = await client.createAndWait({ type: "thumbnail", payload: { file: "cat.png" } });
    expect(job).toMatchObject({ status: "DONE", result: { width: 64, file: "cat.png" } });
    worker.kill();
    expect(await exit).toEqual([0, null]);
    client.close();
    await server.end();
  });

  test("names every variable of the configuration, and no other", () => {
    const known = new Set<string>();
    // Some are read only where others say so.
    for (const env of [{}, { USE_REDIS: "true", REDIS_URL: "rediss://127.0.0.1" }]) {
      const asked = (name: string) => {
        known.add(name);
        return (env as Record<string, string>)[name];
      };
      readConfig(new Proxy({} as Record<string, string>, { get: (_, name) => asked(String(name)) }));
    }
    const section = readme.split(/^## /m).find((text) => text.startsWith("Configuration\n")) ?? "";
    const named = [...section.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) =>
      [...(cell ?? "").matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name),
    );
    expect(named.sort()).toEqual([...known].sort());
  });

  test("tells every reason of an error, with its code, and whether the client takes it for one that may pass", () => {
    const section = readme.split(/^## /m).find((text) => text.startsWith("Errors\n")) ?? "";
    const rows = [...section.matchAll(/^\| (`[A-Z_`, ]+`) \| ([A-Z_]+) \| (yes|no) \|/gm)].flatMap(
      ([, reasons = "", code, again]) =>
        [...reasons.matchAll(/`([A-Z_]+)`/g)].map(([, reason]) => [reason, code, again]),
    );
    const known = Object.entries(CODE_OF_REASON).map(([reason, code]) => {
      return [reason, code, isPassing(new TaskQueueError(reason, "")) ? "yes" : "no"];
    });
    expect(rows.sort()).toEqual(known.sort());
  });
});
