import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { LISTENS } from "../support/listens.js";
import { startSharedRedis } from "../support/redis.js";
import { created, finished, jsonOf } from "../support/rpc.js";
import { createClients, startTestServer, type TestServer } from "../support/server.js";
import { startTerminal } from "../support/terminal.js";
import { GRPC } from "../support/transports.js";
import { eventually, within } from "../support/wait.js";

const MAIN = fileURLToPath(new URL("../../.build/src/cli/main.js", import.meta.url));
const FIXTURES = fileURLToPath(new URL("../handlers/fixtures/", import.meta.url));
const LEAVES_SCREEN = "\u001B[?25h\u001B[?1049l";

let folder: string;
beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error("the command is not built: run `npm run build`, or the tests by npm");
  folder = mkdtempSync(join(tmpdir(), "gotaskq-programs-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Env = Readonly<Record<string, string>>;

const environment = (env: Env) => ({ PATH: process.env.PATH ?? "", HOME: folder, ...env });

/** A program that runs, with pipes. */
function startProgram(args: readonly string[], env: Env, command = process.execPath) {
  const child = spawn(command, command === process.execPath ? [MAIN, ...args] : args, {
    env: environment(env),
    cwd: folder,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (part: string) => {
      text[name] += part;
    });
  }
  const closed = once(child, "close");
  const ended = within(closed, `the end of gotaskq ${args.join(" ")}`, 30_000)
    .then(([code]) => ({ code: code as number | null, ...text }))
    .finally(() => child.kill("SIGKILL"));
  ended.catch(() => {});
  return {
    child,
    ended,
    text,
    shows: (what: RegExp) =>
      eventually(
        async () => what.exec(text.stdout + text.stderr) ?? undefined,
        `${what} from gotaskq ${args.join(" ")}`,
        30_000,
      ),
  };
}

/** Runs a program to its end, with this on its stdin. */
function program(args: readonly string[], env: Env, input = "") {
  const running = startProgram(args, env);
  running.child.stdin.end(input);
  return running.ended;
}

const STORES: readonly [string, () => Promise<Env>][] = [
  ["memory", async () => ({})],
  [
    "Redis",
    async () => ({ USE_REDIS: "true", REDIS_URL: (await startSharedRedis()).url, REDIS_PREFIX: "cli-programs" }),
  ],
];

describe.each(STORES)("on %s", (_store, store) => {
  let server: TestServer;
  let env: Env;
  let id: string;
  let deadId: string;
  let waitingId: string;

  beforeAll(async () => {
    server = await startTestServer({ ...(await store()), QUEUES: "idle" });
    env = { GOTASKQ_URL: server.url };
    id = await created(server, { type: "echo", queue: "idle" });
    await finished(server, id);
    deadId = await created(server, { type: "fail", maxRetries: 0 });
    await finished(server, deadId);
    // Nobody takes it.
    waitingId = await created(server, { type: "parked", queue: "idle" });
  });

  /** A command, and what a person is shown. */
  const lines = (): readonly (readonly [string, RegExp])[] => [
    [`get ${id}`, /^job \d+@idle\r\n/],
    ["jobs --all", /^ID +TYPE/],
    ["jobs -q idle --count", /^\d+\r\n$/],
    ["enqueue echo 1 --wait", /result:\r\n {2}1\r\n$/],
    ["enqueue later -q idle --delay 1h", /^\d+@idle created in idle\r\n$/],
    [`watch ${id}`, / DONE {6}echo\r\n/],
    [`update ${waitingId} --priority 4`, /^job \d+@idle\r\n/],
    [`run ${waitingId}`, /^\d+@idle is PENDING \(READY\)\r\n$/],
    ["delete -t parked --yes", /^delete: 0 finished jobs\r\n$/],
    ["cancel -t later --yes", /^cancel: \d+ jobs\r\n$/],
    ["dlq list", /^ID +TYPE/],
    ["dlq summary", /^COUNT +QUEUE/],
    ["dlq replay --all --yes", /^replay: \d+ dead jobs\r\n$/],
    ["dlq delete -q idle --yes", /^delete: 0 dead jobs\r\n$/],
    ["queues list", /^QUEUE +READY/],
    ["queues get idle", /^queue idle\r\n/],
    ["queues create made --if-missing", /^queue made\r\n/],
    ["queues update made --weight 3", /weight +3\r\n/],
    ["queues pause made", /^queue made, paused\r\n/],
    ["queues resume made", /^queue made\r\n/],
    ["queues purge made --yes", /^deleted 0 waiting jobs of made\r\n$/],
    ["schedules create tick echo --every 1h -q made", /^schedule tick of made\r\n/],
    ["schedules get tick -q made", /^schedule tick of made\r\n/],
    ["schedules list", /^QUEUE +NAME/],
    ["schedules update tick -q made --every 2h", /every 2h00m/],
    ["schedules pause tick -q made", /PAUSED/],
    ["schedules resume tick -q made", /ACTIVE/],
    ["schedules trigger tick -q made", /^\d+@made created\r\n$/],
    ["schedules delete tick -q made", /^tick is deleted\r\n$/],
    ["schedules preview --every 1h", /^\d{4}-/],
    ["queues delete made --force --yes", /^made is deleted\r\n$/],
    ["check", /^ok {4}connection/],
    ["bench --jobs 50 --callers 5", /creates {3}\d+\/s, 50 in all/],
    ["top -n 1 --text", /QUEUE +DONE\/S/],
    ["token new", /^token {3}gtq_/],
    ["completion fish", /^# fish completion/],
    ["serve --variables", /^ {2}PORT /],
  ];

  test("every command runs in a pipe, where its results are lines of JSON", async () => {
    for (const [line] of lines()) {
      const { code, stdout, stderr } = await program(line.split(" "), env);
      expect([line, code, stderr.replace(/^there are more.*\n/, "")]).toEqual([line, 0, ""]);
      if (!/^(completion|serve|top)/.test(line))
        for (const each of stdout.trim().split("\n").filter(Boolean)) JSON.parse(each);
    }
  }, 180_000);

  test("every command runs at a terminal, where its results are text, and leaves it as it was", async () => {
    for (const [line, shown] of lines()) {
      const terminal = startTerminal([process.execPath, MAIN, ...line.split(" ")], { env: { ...env, NO_COLOR: "1" } });
      const { code, output, isRestored } = await terminal.ended;
      expect([line, code, isRestored]).toEqual([line, 0, true]);
      // What a progress line shows is taken away again.
      const kept = output.split("\r\u001B[K").filter((part) => part.includes("\n"));
      const text = stripVTControlCharacters(kept.join(""));
      expect(text, line).toMatch(shown);
    }
  }, 180_000);
});

describe("the program", () => {
  let server: TestServer;
  let env: Env;

  beforeAll(async () => {
    server = await startTestServer(
      { QUEUES: "idle" },
      {
        handlers: {
          async slow(_job, context) {
            for (const percent of [10, 50]) context.progress(percent, "at it");
            await new Promise((_resolve, reject) => {
              context.signal.addEventListener("abort", () => reject(context.signal.reason));
            });
          },
        },
      },
    );
    env = { GOTASKQ_URL: server.url };
  });

  test("tells its version, and ends quietly when nobody reads on", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await program(["--version"], {})).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    for (let n = 0; n < 5; n++) {
      const requests = Array.from({ length: 500 }, () => ({ type: "many", queue: "idle" }));
      await server.jobs.batchCreateJobs({ requests });
    }
    const line = `set -o pipefail; "${process.execPath}" "${MAIN}" jobs --all --json | head -n 1`;
    const { code, stdout, stderr } = await startProgram(["-c", line], env, "bash").ended;
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ type: "many" });
  });

  test("colours a terminal, unless NO_COLOR says no, and no pipe, unless FORCE_COLOR says so", async () => {
    const list = [process.execPath, MAIN, "queues", "list"];
    expect((await startTerminal(list, { env }).ended).output).toContain("\u001B[2mQUEUE");
    expect((await startTerminal(list, { env: { ...env, NO_COLOR: "1" } }).ended).output).not.toContain("\u001B");
    expect((await program(["queues", "list", "--text"], env)).stdout).not.toContain("\u001B");
    expect((await program(["queues", "list", "--text"], { ...env, FORCE_COLOR: "1" })).stdout).toContain(
      "\u001B[2mQUEUE",
    );
  });

  test("asks at a terminal before it deletes what a filter chooses", async () => {
    await created(server, { type: "asked", queue: "idle" });
    const args = [process.execPath, MAIN, "cancel", "-t", "asked"];
    const no = startTerminal(args, { env });
    await no.shows("cancel 1 jobs? [y/N] ");
    no.type("n\r");
    expect(await no.ended).toMatchObject({ code: 1, isRestored: true });
    for (const key of ["\u0003", "\u0004"]) {
      const left = startTerminal(args, { env });
      await left.shows("[y/N] ");
      left.type(key);
      expect(await left.ended).toMatchObject({ code: 1, isRestored: true });
    }
    const yes = startTerminal(args, { env });
    await yes.shows("[y/N] ");
    yes.type("y\r");
    expect((await yes.ended).output).toContain("cancel: 1 jobs");
  });

  test("shows at a terminal how far a job is", async () => {
    const watch = startTerminal([process.execPath, MAIN, "enqueue", "slow", "--wait"], { env });
    await watch.shows(/RUNNING.* \[#{12}\.{12}\] 50 % at it/);
    const [job] = (await server.jobs.listJobs({ filter: { types: ["slow"] } })).jobs;
    await server.jobs.cancelJob({ id: job?.id ?? "" });
    expect((await watch.ended).code).toBe(11);
  });

  describe("top", () => {
    const start = () =>
      startTerminal([process.execPath, MAIN, "top", "--interval", "100ms"], { env, rows: 20, columns: 90 });

    test.each([
      ["q", (top: ReturnType<typeof start>) => top.type("q"), 0],
      ["Ctrl-C", (top: ReturnType<typeof start>) => top.type("\u0003"), 0],
      ["SIGTERM", (top: ReturnType<typeof start>) => top.signal("SIGTERM"), 143],
    ])("leaves the terminal as it was on %s", async (_how, end, code) => {
      const top = start();
      await top.shows("\u001B[?1049h\u001B[?25l");
      await top.shows("idle");
      end(top);
      const ended = await top.ended;
      expect([ended.code, ended.isRestored]).toEqual([code, true]);
      expect(ended.output.endsWith(LEAVES_SCREEN)).toBe(true);
    });

    test("draws anew when the size changes, and no line is longer", async () => {
      const top = start();
      await top.shows("idle");
      const before = top.output().length;
      top.resize(10, 40);
      await top.shows("…", before);
      top.type("q");
      const { output } = await top.ended;
      const last = output.slice(output.lastIndexOf("\u001B[H")).split(/\r+\n/);
      expect(last.length).toBeLessThanOrEqual(10);
      for (const line of last) expect(stripVTControlCharacters(line), JSON.stringify(line)).toMatch(/^.{0,40}$/);
    });

    test("goes on while the server is away, and says so", async () => {
      const other = await startTestServer();
      const top = startTerminal([process.execPath, MAIN, "top", "--interval", "100ms"], {
        env: { GOTASKQ_URL: other.url },
      });
      await top.shows("default");
      await other.stop();
      await top.shows("away: ");
      top.type("q");
      expect(await top.ended).toMatchObject({ code: 0, isRestored: true });
    });
  });
});

describe("serve", () => {
  test("is a server until it is told to end", async () => {
    const serve = startProgram(
      ["serve", "--port", "0", "--handlers", join(FIXTURES, "default-export.ts"), "--queues", "own"],
      {},
    );
    const [, url = ""] = await serve.shows(LISTENS);
    const clients = createClients(GRPC, url);
    const job = await finished(clients, await created(clients, { type: "greet", queue: "own" }));
    expect(jsonOf(job.resultKind)).toBe("hello from TypeScript");
    serve.child.kill("SIGTERM");
    expect((await serve.ended).code).toBe(0);
  });

  test("goes on when nobody reads its log", async () => {
    const serve = startProgram(["serve", "--port", "0"], {});
    const [, url = ""] = await serve.shows(LISTENS);
    serve.child.stdout.destroy();
    serve.child.stderr.destroy();
    const clients = createClients(GRPC, url);
    await finished(clients, await created(clients, { type: "fail", maxRetries: 0 }));
    await finished(clients, await created(clients, { type: "echo" }));
    serve.child.kill("SIGTERM");
    expect((await serve.ended).code).toBe(0);
  });

  test("serves with several processes, and in a file", async () => {
    const serve = startProgram(["serve", "--port", "0", "--processes", "2", "--store", "file"], {});
    const [, url = ""] = await serve.shows(LISTENS);
    expect(await createClients(GRPC, url).info.getServerInfo({})).toMatchObject({ durable: true });
    expect(serve.text.stdout).toContain('"processes":2');
    serve.child.kill("SIGTERM");
    expect((await serve.ended).code).toBe(0);
    expect(existsSync(join(folder, "data/gotaskq.db"))).toBe(true);
  });

  test.each([
    [["--port", "x"], "PORT: must be"],
    [["--store", "memory", "--data-dir", "data"], "name different stores"],
    [["--store", "paper"], "Allowed choices are memory, file, redis"],
    [["--handlers", "./missing.ts"], "missing.ts cannot be loaded"],
  ])("refuses %j with code 2", async (args, why) => {
    const { code, stdout, stderr } = await program(["serve", ...args], {});
    expect(code).toBe(2);
    expect(stdout + stderr).toContain(why);
  });
});

describe("work", () => {
  let server: TestServer;
  let env: Env;
  const WORKS = /works on jobs of/;

  beforeAll(async () => {
    server = await startTestServer({ NUM_WORKERS: "0", QUEUES: "mail" });
    env = { GOTASKQ_URL: server.url };
  });

  const running = (name: string) => () =>
    server.info.listWorkers({}).then(({ workers }) => workers.filter((worker) => worker.name === name));

  test("runs handlers until it is told to end", async () => {
    const work = startProgram(
      ["work", join(FIXTURES, "default-export.ts"), "-q", "mail", "-c", "3", "--name", "one"],
      env,
    );
    await work.shows(WORKS);
    const job = await finished(server, await created(server, { type: "greet", queue: "mail" }));
    expect([jsonOf(job.resultKind), job.worker]).toEqual(["hello from TypeScript", "one"]);
    expect(await running("one")()).toEqual([expect.objectContaining({ queues: ["mail"], capacity: 3 })]);
    work.child.kill("SIGINT");
    const { code, stdout } = await work.ended;
    expect(code).toBe(0);
    expect(stdout).toContain("stopped");
  });

  test("lets running handlers finish, and ends at once on a second signal", async () => {
    const work = startProgram(["work", join(FIXTURES, "until-canceled.mjs"), "--stop-timeout", "1h"], env);
    await work.shows(WORKS);
    const id = await created(server, { type: "patient" });
    await eventually(
      async () => ((await server.jobs.getJob({ id })).job?.status === JobStatus.RUNNING ? true : undefined),
      "the handler",
    );
    work.child.kill("SIGTERM");
    await work.shows(/SIGTERM: no more jobs/);
    work.child.kill("SIGINT");
    expect((await work.ended).code).toBe(1);
    await server.jobs.cancelJob({ id });
  });

  test("runs several processes, and starts again one that died", async () => {
    const module = join(folder, "pid.mjs");
    writeFileSync(module, "export const pid = () => process.pid;\n");
    const work = startProgram(["work", module, "--processes", "2", "-c", "5", "--name", "two"], env);
    await work.shows(WORKS);
    const capacity = async () => (await running("two")()).reduce((sum, each) => sum + each.capacity, 0);
    expect(await capacity()).toBe(5);
    const pidOf = async () =>
      Number(jsonOf((await finished(server, await created(server, { type: "pid" }))).resultKind));
    const pid = await pidOf();
    expect(pid).not.toBe(work.child.pid);
    process.kill(pid, "SIGKILL");
    await work.shows(/a worker was started again/);
    await pidOf();
    work.child.kill("SIGTERM");
    const { code, stdout } = await work.ended;
    expect(code).toBe(0);
    expect(stdout).toContain("a child process ended by itself");
    expect(stdout).toContain("stopped");
  });

  test.each([
    [["./missing.ts"], 2, "missing.ts cannot be loaded"],
    [["./missing.ts", "--processes", "2"], 2, "missing.ts cannot be loaded"],
    [[join(FIXTURES, "named-exports.mjs"), "-q", "nowhere"], 3, "QUEUE_NOT_FOUND"],
    [[join(FIXTURES, "named-exports.mjs"), "-q", "nowhere", "--processes", "2"], 3, "nowhere"],
    [[join(FIXTURES, "named-exports.mjs"), "-c", "1", "--processes", "2"], 2, "--concurrency"],
    [[join(FIXTURES, "named-exports.mjs"), "-c", "2000"], 2, "1000 or less"],
  ])("refuses %j with code %i", async (args, code, why) => {
    const result = await program(["work", ...args], env);
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(why)]);
  });
});
