import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashToken } from "../../src/access/hash-token.js";
import { COMMANDS } from "../../src/cli/registry.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { cli, cliOf } from "./support.js";

let server: TestServer;
let folder: string;
const run = cliOf(() => server.url);

beforeAll(async () => {
  server = await startTestServer({ QUEUES: "mail,idle" });
  folder = mkdtempSync(join(tmpdir(), "gotaskq-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function enqueued(...args: string[]): Promise<string> {
  const { code, records, stderr } = await run.pipe("enqueue", ...args);
  if (code !== 0) throw new Error(stderr);
  return String(records[0]?.id);
}

/** A job that is dead. */
async function dead(queue: string, message: string): Promise<string> {
  const payload = JSON.stringify({ message });
  const { code, records } = await run.pipe("enqueue", "fail", payload, "-q", queue, "--max-retries", "0", "--wait");
  expect(code).toBe(10);
  return String(records[0]?.id);
}

describe("enqueue", () => {
  test("creates a job with all that options say, and tells it as JSON in a pipe, in words at a terminal", async () => {
    const options =
      "-q idle -p 7 --delay 5m --max-retries 3 --backoff 1s,1m --timeout 30s --ttl 1h --key acme -m a=b -m c=d=e";
    const { code, records } = await run.pipe("enqueue", "report", '{"n":1}', ...options.split(" "), "--unique", "u1");
    expect(code).toBe(0);
    expect(records).toEqual([
      expect.objectContaining({
        type: "report",
        queue: "idle",
        payload: { n: 1 },
        status: "PENDING",
        priority: 7,
        maxRetries: 3,
        backoff: { delaysMs: [1000, 60_000] },
        timeoutMs: 30_000,
        key: "acme",
        metadata: { a: "b", c: "d=e" },
        unique: expect.objectContaining({ key: "u1" }),
        runAfter: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      }),
    ]);
    const again = await run.terminal("enqueue", "report", '{"n":2}', "-q", "idle", "--unique", "u1");
    expect(again.stdout).toBe(`${records[0]?.id} was there already\n`);
    const other = await run.terminal("enqueue", "report", "-q", "idle", "--delay", "1h");
    expect(other.stdout).toMatch(/^\d+@idle created in idle\n$/);
  });

  test("reads a payload from a file and from stdin, as JSON or as bytes", async () => {
    const file = join(folder, "payload.json");
    writeFileSync(file, '{"from": "a file"}\n');
    expect((await run.pipe("enqueue", "echo", `@${file}`, "--wait")).records[0]?.result).toEqual({ from: "a file" });
    expect((await run.given('["stdin"]', "enqueue", "echo", "-", "--wait")).records[0]?.result).toEqual(["stdin"]);
    const bytes = await run.given("no JSON", "enqueue", "echo", "-", "--bytes", "--wait");
    expect(bytes.records[0]?.resultBase64).toBe(Buffer.from("no JSON").toString("base64"));
    expect((await run.pipe("enqueue", "echo", "--wait")).records[0]).not.toHaveProperty("payload");
  });

  test("waits for the end, and its exit code tells how that was", async () => {
    expect((await run.pipe("enqueue", "echo", "1", "--wait")).code).toBe(0);
    const ended = await run.pipe("enqueue", "fail", "--max-retries", "0", "--wait");
    expect([ended.code, ended.records[0]?.status]).toEqual([10, "DEAD"]);
    const late = await run.pipe("enqueue", "echo", "--delay", "1h", "--wait", "--wait-timeout", "30ms");
    expect([late.code, late.records[0]?.status]).toEqual([12, "PENDING"]);
    expect(late.stderr).toContain(`\`gotaskq watch ${late.records[0]?.id}\` goes on waiting`);
    const waiting = run.start("enqueue", "echo", "-q", "idle", "--delay", "1h", "-m", "of=cancel", "--wait");
    const id = await eventually(async () => (await run.pipe("jobs", "-m", "of=cancel")).records[0]?.id, "the job");
    await run.pipe("cancel", String(id));
    expect((await waiting.ended).code).toBe(11);
    const shown = await run.terminal("enqueue", "echo", '{"a":"\\u001b[31m"}', "--wait");
    expect(shown.stdout).toMatch(
      /^job \d+\n {2}type {8}echo\n[\s\S]* DONE\n[\s\S]*result:\n {2}\{\n {4}"a": "\\u001b\[31m"/,
    );
  });

  test("creates a job a line, of payloads or of whole jobs", async () => {
    const { code, records } = await run.given('{"n":1}\n\n{"n":2}\r\n3', "enqueue", "add", "-q", "idle", "--batch");
    expect([code, records.length]).toEqual([0, 3]);
    const jobs = await Promise.all(records.map(({ id }) => run.pipe("get", String(id))));
    expect(jobs.map((each) => each.records[0]?.payload)).toEqual([{ n: 1 }, { n: 2 }, 3]);
    const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000).toISOString();
    const whole = `{"type":"add","priority":4,"runAfter":"${soon}"}\n{"type":"add","queue":"mail","delayMs":3600000}`;
    const made = await run.given(whole, "enqueue", "--batch", "-q", "idle");
    const ids = made.records.map(({ id }) => String(id));
    expect((await run.pipe("get", ...ids)).records).toEqual([
      expect.objectContaining({ queue: "idle", priority: 4, runAfter: soon }),
      expect.objectContaining({ queue: "mail" }),
    ]);
    expect((await run.typed('{"n":1}\n', "enqueue", "add", "-q", "idle", "--batch")).stdout).toBe("1 jobs created\n");
    // Nobody means a type that begins like a file.
    const missing = await run.pipe("enqueue", "@missing.ndjson", "--batch");
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("missing.ndjson")]);
  });

  test("names the line that is wrong, and what was created before it", async () => {
    const broken = await run.given('{"n":1}\n{"n":\n', "enqueue", "add", "-q", "idle", "--batch");
    expect([broken.code, broken.stdout]).toEqual([2, ""]);
    expect(broken.stderr).toMatch(/^gotaskq: line 2 is not JSON: .*; no jobs were created\n$/);
    const refused = await run.given('{"type":"a"}\n\n{"type":"b","priority":11}', "enqueue", "-q", "idle", "--batch");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^gotaskq: line 3: priority: must be .*\(FIELD_INVALID\); no jobs were created\n$/);
    const many = `${"{}\n".repeat(1000)}no`;
    const late = await run.given(many, "enqueue", "add", "-q", "idle", "--batch");
    expect(late.stderr).toContain("line 1001 is not JSON");
    expect(late.stderr).toContain("no jobs were created");
    const later = await run.given(`${"{}\n".repeat(1001)}no`, "enqueue", "add", "-q", "idle", "--batch");
    expect([later.code, later.records.length]).toEqual([2, 1000]);
    expect(later.stderr).toContain("the 1000 jobs of the lines before were created");
  });

  test.each([
    [["enqueue"], "say the type of the job"],
    [["enqueue", "a", "hello"], "the payload is not JSON"],
    [["enqueue", "a", "@/no/such/file"], "no such file"],
    [["enqueue", "a", "--delay", "soon"], "It must be a duration"],
    [["enqueue", "a", "--priority", "x"], "It must be a whole number"],
    [["enqueue", "a", "--run-after", "tomorrow"], "It must be a time"],
    [["enqueue", "a", "-m", "x"], "It must be name=value"],
    [["enqueue", "a", "--backoff", "1s", "--backoff-max", "5s"], "--backoff is a list"],
    [["enqueue", "a", "--on-conflict", "REFUSE"], "about the key of --unique"],
    [["enqueue", "a", "--wait-timeout", "1s"], "--wait-timeout needs --wait"],
    [["enqueue", "a", "--batch", "--wait"], "--wait waits for one job"],
    [["enqueue", "a", "@/no/such/file", "--batch"], "no such file"],
    [["enqueue", "a", "{}", "--batch"], "--batch reads stdin or @file"],
    [["enqueue", "a", "--delay", "1s", "--run-after", "2030-01-01"], "must not be set together with a delay"],
  ])("refuses %j with exit code 2", async (args, why) => {
    const { code, stdout, stderr } = await run.pipe(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(why);
  });
});

describe("get", () => {
  test("shows jobs, as JSON or for people, and tells of those that are not there", async () => {
    const id = await enqueued("report", '{"to":"ada"}', "-q", "idle", "-m", "a=b", "--delay", "1h");
    const { code, records, stderr } = await run.pipe("get", id, "1");
    expect(code).toBe(3);
    expect(records).toEqual([expect.objectContaining({ id, payload: { to: "ada" }, pendingState: "SCHEDULED" })]);
    expect(stderr).toMatch(/^gotaskq: job 1 does not exist, or is not kept any more \(JOB_NOT_FOUND, request .*\)\n$/);
    const shown = await run.terminal("get", id);
    expect(shown.stdout).toMatch(/^job \d+@idle\n/);
    expect(shown.stdout).toMatch(/status {6}PENDING \(SCHEDULED\)\n/);
    expect(shown.stdout).toMatch(/runs {8}\d{4}-\d\d-\d\d .*\(in (59m\d\ds|1h00m)\)\n/);
    expect(shown.stdout).toContain('payload:\n  {\n    "to": "ada"\n  }\n');
    expect((await run.terminal("get", id, "--json")).records).toHaveLength(1);
    // But for how far times are from now.
    const lasting = (text: string) => text.replace(/\((now|in .*|.* ago)\)/g, "");
    expect(lasting((await run.pipe("get", id, "--text")).stdout)).toBe(lasting(shown.stdout));
  });
});

describe("payloads", () => {
  test("are shown to the letter", async () => {
    const payloadJson = '{"id": 12345678901234567890,\n"small": 1.0}';
    const { job } = await server.jobs.createJob({
      type: "echo",
      payloadKind: { case: "payloadJson", value: payloadJson },
    });
    const id = job?.id ?? "";
    await run.pipe("watch", id);
    const { stdout, records } = await run.pipe("get", id);
    expect(records).toHaveLength(1);
    expect(stdout).toContain('"payload":{"id": 12345678901234567890, "small": 1.0}');
    expect((await run.terminal("get", id)).stdout).toContain(
      'payload:\n  {\n    "id": 12345678901234567890,\n    "small": 1.0\n  }\n',
    );
  });

  test("are sent to the letter, from wherever they come", async () => {
    const json = '{"b": 1152921504606846976, "a": 1.0, "12": -0}';
    const whole = `{"queue":"idle","payload": ${json} ,"type":"echo"}`;
    writeFileSync(join(folder, "payload.json"), `${json}\n`);
    const told = [
      await run.pipe("enqueue", "echo", json),
      await run.pipe("enqueue", "echo", `@${join(folder, "payload.json")}`),
      await run.given(json, "enqueue", "echo", "-"),
      await run.pipe("update", await enqueued("echo", "-q", "idle", "--delay", "1h"), json),
      await run.pipe("schedules", "create", "exact", "echo", json, "--every", "1h"),
      await run.pipe("schedules", "get", "exact"),
    ];
    for (const { code, stdout } of told)
      expect([code, stdout]).toEqual([0, expect.stringContaining(`"payload":${json}`)]);
    for (const created of [
      await run.given(`${json}\n`, "enqueue", "echo", "--batch"),
      await run.given(`${whole}\n`, "enqueue", "--batch"),
    ]) {
      const { stdout } = await run.pipe("get", String(created.records[0]?.id));
      expect(stdout).toContain(`"payload":${json}`);
    }
    expect((await run.terminal("schedules", "get", "exact")).stdout).toContain(`  payload     ${json}\n`);
    await run.pipe("schedules", "delete", "exact");
  });

  test("steer no terminal, as JSON neither", async () => {
    const value = `{\t"\u009b2J":\t"\u202e"}`;
    const { job } = await server.jobs.createJob({
      type: "echo",
      queue: "idle",
      payloadKind: { case: "payloadJson", value },
    });
    const line = String.raw`"payload":{ "\u009b2J": "\u202e"}`;
    expect((await run.terminal("get", job?.id ?? "", "--json")).stdout).toContain(line);
  });
});

describe("jobs", () => {
  test("lists by filters and pages, and counts", async () => {
    for (const n of [1, 2, 3]) await enqueued("paged", String(n), "-q", "idle", "--delay", "1h", "-m", `n=${n}`);
    const all = await run.pipe("jobs", "-t", "paged");
    expect(all.records.map(({ payload }) => payload)).toEqual([3, 2, 1]);
    const first = await run.pipe("jobs", "-t", "paged", "--oldest", "-n", "2", "--no-payload");
    expect(first.records.map(({ metadata }) => metadata)).toEqual([{ n: "1" }, { n: "2" }]);
    expect(first.records[0]).not.toHaveProperty("payload");
    const token = /--page-token (\S+) goes on here/.exec(first.stderr)?.[1] ?? "";
    const rest = await run.pipe("jobs", "-t", "paged", "--oldest", "--page-token", token);
    expect(rest.records.map(({ payload }) => payload)).toEqual([3]);
    expect((await run.pipe("jobs", "-t", "paged", "--count")).records).toEqual([{ count: 3 }]);
    expect((await run.terminal("jobs", "-t", "paged", "-m", "n=2", "--count")).stdout).toBe("1\n");
    const filter = ["--status", "pending", "--pending-state", "scheduled", "--created-after", "1h", "-q", "idle,mail"];
    expect((await run.pipe("jobs", "-t", "paged", ...filter)).records).toHaveLength(3);
    expect((await run.pipe("jobs", "-t", "paged", "--created-before", "1h")).records).toEqual([]);
    const { stdout } = await run.terminal("jobs", "-t", "paged", "--all");
    expect(stdout.split("\n")[0]).toMatch(/^ID +TYPE +STATUS +TRIES +CREATED +TELLS$/);
    expect(stdout.split("\n")[1]).toMatch(/^\d+@idle +paged +PENDING +0 +(now|\ds ago) +runs in /);
    expect((await run.terminal("jobs", "-t", "nothing")).stderr).toBe("no jobs match\n");
  });

  test.each([
    [["--status", "gone"], 2, "It must be one of PENDING, RUNNING"],
    [["-q", "nowhere"], 3, "(QUEUE_NOT_FOUND"],
    [["--page-token", "made up"], 2, "(PAGE_TOKEN_INVALID"],
  ])("refuses %j with exit code %i", async (args, code, why) => {
    const result = await run.pipe("jobs", ...args);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(why);
  });
});

describe("cancel", () => {
  test("cancels by ids, and tells of those that cannot be", async () => {
    const [one, two] = [
      await enqueued("a", "-q", "idle", "--delay", "1h"),
      await enqueued("a", "-q", "idle", "--delay", "1h"),
    ];
    expect((await run.pipe("cancel", one)).records).toEqual([expect.objectContaining({ id: one, status: "CANCELED" })]);
    const done = String((await run.pipe("enqueue", "echo", "--wait")).records[0]?.id);
    const { code, stdout, stderr } = await run.terminal("cancel", two, done, "1");
    expect([code, stdout]).toEqual([6, `${two} is CANCELED\n`]);
    expect(stderr).toContain("job 1 does not exist");
    expect(stderr).toContain("(JOB_STATE_CONFLICT");
  });

  test("asks before it cancels all that match, and refuses to where nobody can be asked", async () => {
    for (let n = 0; n < 3; n++) await enqueued("many", "-q", "idle", "--delay", "1h");
    expect((await run.pipe("cancel", "-t", "many", "--dry-run")).records).toEqual([{ count: 3, dryRun: true }]);
    const refused = await run.pipe("cancel", "-t", "many");
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toContain("--yes says that this is meant");
    const no = await run.typed("n\n", "cancel", "-t", "many");
    expect([no.code, no.stdout]).toEqual([1, ""]);
    expect(no.stderr).toMatch(/cancel 3 jobs\? \[y\/N\] [\s\S]*nothing was changed\n$/);
    // Somebody presses Ctrl-D.
    expect((await run.typed("", "cancel", "-t", "many")).code).toBe(1);
    expect((await run.pipe("cancel", "-t", "many", "--max", "1", "--yes")).records).toEqual([{ count: 1 }]);
    expect((await run.typed("y\n", "cancel", "-t", "many")).stdout).toBe("cancel: 2 jobs\n");
    expect((await run.typed("", "cancel", "-t", "many")).stdout).toBe("cancel: 0 jobs\n");
  });

  test.each([
    [["cancel", "--yes"], "say which jobs"],
    [["cancel", "1", "-t", "a"], "cannot be used together"],
    [["cancel", "-t", "a", "--all", "--yes"], "leave it out where a filter chooses"],
    [["cancel", "-t", "a", "--error-contains", "", "--yes"], "--error-contains <text>' argument '' is invalid"],
    [["dlq", "delete", "-q", "idle", "--worker", "", "--yes"], "--worker <name>' argument '' is invalid"],
    [["enqueue", "a", "--request-id", ""], "--request-id <id>' argument '' is invalid"],
    [["jobs", "--status", "\u001b[2J"], String.raw`argument '\u001b[2J' is invalid`],
    // It would keep its jobs in memory.
    [["serve", "--redis-url", ""], "--redis-url <url>' argument '' is invalid"],
    [["serve", "--data-dir", ""], "--data-dir <folder>' argument '' is invalid"],
    [["dlq", "delete", "--yes"], "say which dead jobs"],
    [["dlq", "replay", "1", "--all"], "cannot be used together"],
  ])("refuses %j", async (args, why) => {
    const { code, stderr } = await run.pipe(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(why);
  });
});

describe("delete", () => {
  test("deletes jobs that have ended, by ids or by a filter", async () => {
    const done = await enqueued("echo", "-m", "of=delete", "--wait");
    const waiting = await enqueued("echo", "-q", "idle", "-m", "of=delete", "--delay", "1h");
    const both = await run.pipe("delete", done, waiting);
    expect([both.code, both.records]).toEqual([6, [{ id: done, deleted: true }]]);
    expect((await run.pipe("get", done)).code).toBe(3);
    const other = await enqueued("echo", "-m", "of=delete", "--wait");
    expect((await run.pipe("delete", "-m", "of=delete", "--dry-run")).records).toEqual([{ count: 1, dryRun: true }]);
    expect((await run.pipe("delete", "-m", "of=delete")).code).toBe(2);
    const no = await run.typed("n\n", "delete", "-m", "of=delete");
    expect([no.code, no.stderr]).toEqual([1, expect.stringContaining("delete 1 finished jobs? [y/N]")]);
    expect((await run.typed("y\n", "delete", "-m", "of=delete")).stdout).toBe("delete: 1 finished jobs\n");
    expect((await run.pipe("get", other)).code).toBe(3);
    expect((await run.pipe("get", waiting)).code).toBe(0);
    expect((await run.pipe("delete")).stderr).toContain("say which finished jobs");
  });
});

describe("run", () => {
  test("lets a scheduled job run now", async () => {
    const id = await enqueued("echo", "-q", "idle", "--delay", "1h");
    const shown = await run.terminal("run", id);
    expect([shown.code, shown.stdout]).toEqual([0, `${id} is PENDING (READY)\n`]);
    expect((await run.pipe("watch", id)).records.at(-1)?.status).toBe("DONE");
    const again = await run.pipe("run", id, "1");
    expect([again.code, again.stderr]).toEqual([6, expect.stringContaining("JOB_STATE_CONFLICT")]);
    expect((await run.pipe("run", "1")).code).toBe(3);
  });
});

describe("update", () => {
  test("changes what it is told of a waiting job", async () => {
    const id = await enqueued("echo", '{"n":1}', "-q", "idle", "--delay", "1h", "-p", "2");
    const at = new Date(Date.now() + 86_400_000).toISOString();
    const { records } = await run.pipe("update", id, "-p", "9", "--run-after", at);
    expect(records).toEqual([expect.objectContaining({ id, priority: 9, runAfter: at, payload: { n: 1 } })]);
    expect((await run.given('{"n":2}', "update", id, "-")).records[0]).toMatchObject({
      priority: 9,
      payload: { n: 2 },
    });
    expect((await run.pipe("update", id, "ab", "--bytes")).records[0]).toMatchObject({ payloadBase64: "YWI=" });
    expect((await run.terminal("update", id, "--delay", "2h")).stdout).toMatch(
      /^job \d+@idle\n(?: .*\n)* {2}runs +.*in 2h/,
    );
    await run.pipe("cancel", id);
    expect((await run.pipe("update", id, "-p", "1")).code).toBe(6);
  });

  test.each([
    [["1"], 2, "say what is to change"],
    [["1", "--bytes", "-p", "3"], 2, "--bytes is about a payload"],
    [["1", "-p", "11"], 2, "priority"],
    [["1", "-p", "1"], 3, "JOB_NOT_FOUND"],
    [["1", "{"], 2, "is not JSON"],
    [["1", "--delay", "1s", "--run-after", "2030-01-01"], 2, "together"],
  ])("refuses %j with code %i", async (args, code, why) => {
    const refused = await run.pipe("update", ...args);
    expect([refused.code, refused.stderr]).toEqual([code, expect.stringContaining(why)]);
  });
});

describe("dlq", () => {
  test("lists, sums up, replays and deletes", async () => {
    await server.queues.createQueue({ name: "dying" });
    const ids = [];
    for (const n of [1, 2, 3]) ids.push(await dead("dying", `user ${n} is away`));
    const [one = "", two = "", three = ""] = ids;
    const listed = await run.pipe("dlq", "list", "-q", "dying", "--died-after", "1h", "--error-contains", "away");
    expect(listed.records.map(({ id }) => id)).toEqual([three, two, one]);
    expect((await run.terminal("dlq", "list", "-q", "dying", "-n", "1")).stdout).toContain("user 3 is away");
    const summary = await run.pipe("dlq", "summary", "-q", "dying");
    expect(summary.records).toEqual([
      expect.objectContaining({ count: 3, type: "fail", error: "user # is away", sampleId: three }),
    ]);
    const shown = await run.terminal("dlq", "summary", "-q", "dying");
    expect(shown.stdout).toMatch(/^COUNT +QUEUE +TYPE +LAST DIED +ONE OF THEM +ERROR\n +3 +dying +fail /);
    expect((await run.terminal("dlq", "summary", "-q", "idle")).stderr).toBe("no dead jobs match\n");
    await server.queues.pauseQueue({ name: "dying" });
    expect((await run.terminal("dlq", "replay", one)).stdout).toBe(`${one} is PENDING again\n`);
    expect(
      (await run.pipe("dlq", "replay", "-q", "dying", "--error-group", "user # is away", "--yes")).records,
    ).toEqual([{ count: 2 }]);
    await server.queues.resumeQueue({ name: "dying" });
    const again = async () => ((await run.pipe("dlq", "list", "-q", "dying")).records.length === 3 ? true : undefined);
    await eventually(again, "their second deaths");
    expect((await run.pipe("dlq", "delete", two)).records).toEqual([{ id: two, deleted: true }]);
    expect((await run.typed("yes\n", "dlq", "delete", "-q", "dying")).stdout).toBe("delete: 2 dead jobs\n");
    expect((await run.pipe("dlq", "delete", one)).code).toBe(3);
  });
});

describe("queues", () => {
  test("are created, shown, changed, paused, purged and deleted", async () => {
    const settings = "--max-concurrency 5 --rate 100/1m --max-depth 9 --dead-ttl 14d --default-max-retries 2".split(
      " ",
    );
    const made = await run.pipe("queues", "create", "own", ...settings);
    expect(made.records[0]).toMatchObject({
      name: "own",
      settings: {
        maxConcurrency: 5,
        rateLimit: { count: 100, periodMs: 60_000 },
        maxDepth: 9,
        deadTtlMs: 14 * 86_400_000,
      },
    });
    expect((await run.pipe("queues", "create", "own")).code).toBe(6);
    expect((await run.pipe("queues", "create", "own", "--if-missing")).records[0]?.name).toBe("own");
    const changed = await run.pipe(
      "queues",
      "update",
      "own",
      "--rate",
      "none",
      "--dead-ttl",
      "default",
      "--ordering",
      "fair",
    );
    expect(changed.records[0]).toMatchObject({
      settings: { rateLimit: null, deadTtlMs: null, ordering: "FAIR", maxDepth: 9 },
    });
    expect((await run.terminal("queues", "pause", "own")).stdout).toMatch(/^queue own, paused\n/);
    await enqueued("echo", "-q", "own");
    expect((await run.terminal("queues", "list")).stdout).toMatch(/^own +1 +0 +0 +0 +0 +0 +\S+ +paused$/m);
    const growing = ["--default-backoff-base", "1s", "--default-backoff-max", "1m"];
    expect((await run.pipe("queues", "update", "own", ...growing)).records[0]).toMatchObject({
      settings: { defaultBackoff: { baseDelayMs: 1000, maxDelayMs: 60_000 } },
    });
    const backoff = await run.pipe("queues", "update", "own", "--default-backoff", "1s,5s");
    expect(backoff.records[0]).toMatchObject({ settings: { defaultBackoff: { delaysMs: [1000, 5000] } } });
    const none = await run.pipe("queues", "update", "own", "--default-backoff", "default");
    expect(none.records[0]).toMatchObject({ settings: { defaultBackoff: null } });
    expect((await run.pipe("queues", "list")).records.map(({ name }) => name)).toContain("own");
    expect((await run.pipe("queues", "purge", "own")).code).toBe(2);
    expect((await run.pipe("queues", "purge", "own", "--yes")).records).toEqual([{ queue: "own", count: 1 }]);
    expect((await run.terminal("queues", "resume", "own")).stdout).toMatch(/^queue own\n/);
    expect((await run.terminal("queues", "get", "own")).stdout).toMatch(/max depth +9\n/);
    await enqueued("echo", "-q", "own", "--delay", "1h");
    expect((await run.pipe("queues", "delete", "own")).code).toBe(6);
    expect((await run.pipe("queues", "delete", "own", "--force")).code).toBe(2);
    expect((await run.typed("n\n", "queues", "delete", "own", "--force")).code).toBe(1);
    expect((await run.typed("n\n", "queues", "purge", "own")).code).toBe(1);
    expect((await run.terminal("queues", "delete", "own", "--force", "--yes")).stdout).toBe("own is deleted\n");
    expect((await run.pipe("queues", "get", "own")).code).toBe(3);
  });

  test.each([
    [["queues", "update", "idle"], "say which settings"],
    [["queues", "update", "idle", "--rate", "fast"], "It must be like 100/1m"],
    [["queues", "create", "No Queue"], "(FIELD_INVALID"],
    [
      ["queues", "create", "a", "--default-backoff", "1s", "--default-backoff-max", "1s"],
      "--default-backoff is a list",
    ],
    [["queues"], "Usage: gotaskq queues"],
  ])("refuses %j", async (args, why) => {
    const { code, stderr } = await run.pipe(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(why);
  });
});

describe("schedules", () => {
  test("are created, shown, changed, paused, triggered and deleted", async () => {
    const made = await run.pipe(
      ...["schedules", "create", "digest", "send", '{"kind":"daily"}', "-q", "idle", "--cron", "0 7 * * *"],
      ...["--time-zone", "Europe/Berlin", "--overlap", "skip", "--jitter", "1m", "-p", "3", "-m", "a=b"],
    );
    expect(made.records[0]).toMatchObject({
      name: "digest",
      queue: "idle",
      cron: "0 7 * * *",
      timeZone: "Europe/Berlin",
      overlap: "SKIP",
      jitterMs: 60_000,
      job: { type: "send", payload: { kind: "daily" }, priority: 3, metadata: { a: "b" } },
      nextRunAt: expect.stringMatching(/Z$/),
    });
    expect((await run.terminal("schedules", "list")).stdout).toMatch(
      /^idle +digest +ACTIVE +in \S+ +0 +0 7 \* \* \* Europe\/Berlin$/m,
    );
    expect((await run.pipe("schedules", "list", "-q", "idle")).records).toHaveLength(1);
    expect((await run.terminal("schedules", "pause", "digest", "-q", "idle")).stdout).toMatch(/state +PAUSED\n/);
    expect((await run.pipe("schedules", "resume", "digest", "-q", "idle")).records[0]?.state).toBe("ACTIVE");
    expect((await run.pipe("schedules", "update", "digest", "-q", "idle", "--every", "90s")).records[0]).toMatchObject({
      everyMs: 90_000,
    });
    const bounded = await run.pipe(
      "schedules",
      "update",
      "digest",
      "-q",
      "idle",
      "--max-runs",
      "9",
      "--ends-at",
      "2090-01-01",
    );
    expect(bounded.records[0]).toMatchObject({ maxRuns: 9, endsAt: "2090-01-01T00:00:00.000Z" });
    const free = await run.pipe(
      "schedules",
      "update",
      "digest",
      "-q",
      "idle",
      "--max-runs",
      "default",
      "--ends-at",
      "default",
    );
    expect([free.code, free.records[0]?.maxRuns, free.records[0]?.endsAt]).toEqual([0, undefined, undefined]);
    const other = await run.pipe("schedules", "update", "digest", "poll", '{"n":1}', "-q", "idle", "--key", "acme");
    expect(other.records[0]).toMatchObject({ everyMs: 90_000, job: { type: "poll", payload: { n: 1 }, key: "acme" } });
    expect(other.records[0]?.job).not.toHaveProperty("priority", 3);
    const half = await run.pipe("schedules", "update", "digest", "-q", "idle", "--key", "b");
    expect([half.code, half.stderr]).toEqual([2, expect.stringContaining("need their type")]);
    expect((await run.pipe("schedules", "trigger", "digest", "-q", "idle")).records[0]).toMatchObject({
      schedule: "digest",
    });
    expect((await run.pipe("schedules", "get", "digest", "-q", "idle")).records[0]).toHaveProperty("lastJobId");
    expect((await run.terminal("schedules", "delete", "digest", "-q", "idle")).stdout).toBe("digest is deleted\n");
    expect((await run.pipe("schedules", "get", "digest", "-q", "idle")).code).toBe(3);
  });

  test("are previewed", async () => {
    const args = ["schedules", "preview", "--cron", "@daily", "--after", "2030-01-01T12:00:00Z", "-n", "2"];
    expect((await run.pipe(...args)).records).toEqual([
      { at: "2030-01-02T00:00:00.000Z" },
      { at: "2030-01-03T00:00:00.000Z" },
    ]);
    expect((await run.terminal(...args)).stdout.trim().split("\n")).toHaveLength(2);
    expect((await run.pipe("schedules", "preview")).stderr).toContain("give --cron or --every, one of them");
    expect((await run.pipe("schedules", "preview", "--cron", "never")).code).toBe(2);
  });
});

describe("watch", () => {
  test("follows a job to its end", async () => {
    const id = await enqueued("fail", "--max-retries", "0");
    const watched = await run.pipe("watch", id);
    expect([watched.code, watched.records.at(-1)?.status]).toEqual([10, "DEAD"]);
    const shown = await run.terminal("watch", await enqueued("echo"));
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^\d\d:\d\d:\d\d {2}\d+ {2}DONE {6}echo\n$/m);
    expect((await run.pipe("watch", id, "-t", "a")).code).toBe(2);
    expect((await run.pipe("watch", "1")).code).toBe(3);
    const waiting = await enqueued("echo", "-q", "idle", "--delay", "1h");
    expect((await run.pipe("watch", waiting, "--wait-timeout", "20ms")).code).toBe(12);
  });

  test("follows all that match, and goes on at a cursor", async () => {
    const first = run.start("watch", "-t", "watched", "-n", "1");
    const create = () => run.pipe("enqueue", "watched", "-q", "idle", "--delay", "1h");
    // Nothing tells when a watch has begun: jobs are created until it has seen one.
    let isOver = false;
    void first.ended.then(() => {
      isOver = true;
    });
    while (!isOver) await create();
    const [seen] = (await first.ended).records;
    expect(seen).toMatchObject({ type: "watched", status: "PENDING", queue: "idle" });
    const { records } = await create();
    const cursor = String(seen?.cursor);
    const next = await run.pipe("watch", "-t", "watched", "--cursor", cursor, "-n", "1");
    expect(next.records).toHaveLength(1);
    const last = await run.terminal("watch", "-t", "watched", "--cursor", cursor, "-n", "1");
    expect(last.stdout).toMatch(/^\d\d:\d\d:\d\d {2}\d+@idle {2}PENDING {3}watched {2}runs in /);
    expect(records).toHaveLength(1);
    expect((await run.pipe("watch", "--cursor", "made up")).code).toBe(2);
  });
});

describe("check", () => {
  test("tells what is well and what is not", async () => {
    const { code, records } = await run.pipe("check");
    expect(code).toBe(0);
    const whats = records.map(({ what }) => what);
    expect(new Set(whats)).toEqual(
      new Set(["connection", "versions", "server", "token", "clock", "store", "queues", "workers"]),
    );
    await server.queues.pauseQueue({ name: "idle" });
    await enqueued("nobody.takes", "-q", "mail");
    const shown = await run.terminal("check");
    await server.queues.resumeQueue({ name: "idle" });
    expect(shown.stdout).toMatch(/^ok {4}clock {8}/m);
    expect(shown.stdout).toMatch(/^warn {2}queues {7}paused: idle$/m);
    expect(shown.stdout).toMatch(/^warn {2}workers {6}no worker of this server takes: .*nobody\.takes in mail/m);
  });

  test("tells when nothing answers", async () => {
    const { code, records, stderr } = await cli(["check", "--url", "127.0.0.1:1"]);
    expect(code).toBe(4);
    expect(records).toEqual([expect.objectContaining({ what: "connection", level: "fail", reason: "UNAVAILABLE" })]);
    expect(stderr).toContain("is a server at http://127.0.0.1:1?");
  });
});

describe("a server with tokens", () => {
  const soon = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
  const AUTH_TOKENS = `name=ops token=token-of-20-letters-a scopes=admin; name=shop token=token-of-20-letters-p scopes=produce queues=mail ends_at=${soon}`;

  test("is called by the token of an option, a file or the environment", async () => {
    const { url } = await startTestServer({ AUTH_TOKENS, QUEUES: "mail" });
    const file = join(folder, "token");
    writeFileSync(file, "token-of-20-letters-a\n");
    const args = ["queues", "list", "--url", url];
    expect((await cli([...args, "--token", "token-of-20-letters-a"])).code).toBe(0);
    expect((await cli(["--token-file", file, ...args])).code).toBe(0);
    expect((await cli(args, { env: { GOTASKQ_TOKEN: "token-of-20-letters-a" } })).code).toBe(0);
    expect((await cli(args, { env: { GOTASKQ_TOKEN_FILE: file } })).code).toBe(0);
    const none = await cli(args);
    expect(none.code).toBe(5);
    expect(none.stderr).toContain("--token, --token-file, GOTASKQ_TOKEN or GOTASKQ_TOKEN_FILE say who calls");
    expect((await cli([...args, "--token-file", "/no/such"])).code).toBe(2);
    const lacking = await cli([...args, "--token", "token-of-20-letters-p"]);
    expect([lacking.code, lacking.stderr]).toEqual([5, expect.stringContaining("(SCOPE_MISSING")]);
    const checked = await cli(["check", "--url", url, "--token", "token-of-20-letters-p", "--text"]);
    expect(checked.stdout).toMatch(/token {8}"shop" may produce in mail/);
    expect(checked.stdout).toMatch(/^skip {2}store /m);
    expect(checked.code).toBe(0);
    const unknown = await cli(["check", "--url", url, "--text"]);
    expect([unknown.code, unknown.stderr]).toEqual([5, expect.stringContaining("GOTASKQ_TOKEN_FILE say who calls")]);
  });
});

describe("the help", () => {
  test("of each command has its options, examples that it understands, and needs no server", async () => {
    const groups: readonly (readonly [string, readonly string[]])[] = [
      ["dlq", ["list", "summary", "replay", "delete"]],
      ["queues", ["list", "get", "create", "update", "pause", "resume", "purge", "delete"]],
      ["schedules", ["list", "get", "create", "update", "pause", "resume", "trigger", "delete", "preview"]],
      ["token", ["new", "hash"]],
    ];
    const names = COMMANDS.map(({ name }) => [name]);
    const below = groups.flatMap(([name, subs]) => subs.map((sub) => [name, sub]));
    for (const words of [...names, ...below]) {
      const { code, stdout, stderr } = await cli([...words, "--help"]);
      expect([words, code, stderr]).toEqual([words, 0, ""]);
      expect(stdout).toContain(`Usage: gotaskq ${words.join(" ")}`);
      expect(stdout).not.toMatch(/<duration>[^<]*\(default: \d+\)/);
      if (words[0] !== "token" || words.length > 1) expect(stdout, words.join(" ")).toContain("\nExamples:\n  ");
    }
    const all = await cli(["--help"]);
    for (const { name, summary } of COMMANDS.filter(({ isHidden }) => isHidden !== true))
      expect(all.stdout).toMatch(new RegExp(`^ {2}${name} .*${summary.slice(0, 20)}`, "m"));
    expect(all.stdout).not.toMatch(/^ {2}complete /m);
    expect(all.stdout).toContain("10  the job waited for is DEAD");
    expect((await cli(["help", "get"])).stdout).toContain("Usage: gotaskq get");
  });

  test("is pointed to when something is wrong with the command line", async () => {
    const unknown = await cli(["quues"]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(
      /^gotaskq: unknown command 'quues'\n\(Did you mean queues\?\)\n--help tells what there is\n/,
    );
    expect((await cli(["get", "1", "--tokn", "x"])).stderr).toContain("(Did you mean --token?)");
    expect((await cli([])).code).toBe(2);
  });
});

describe("token", () => {
  test("makes tokens and hashes them", async () => {
    const [made] = (await cli(["token", "new"])).records;
    expect(hashToken(String(made?.token))).toBe(made?.sha256);
    expect((await cli(["token", "hash"], { input: `${made?.token}\nmore` })).records).toEqual([
      { sha256: made?.sha256 },
    ]);
    expect((await cli(["token", "hash", String(made?.token)], { isTerminal: true })).stdout).toBe(`${made?.sha256}\n`);
    expect((await cli(["token", "new"], { isTerminal: true })).stdout).toMatch(
      /^token {3}gtq_.{43}\nsha256 {2}[0-9a-f]{64}\n$/,
    );
    expect((await cli(["token", "hash", "short"])).code).toBe(2);
  });
});

describe("top, in a pipe", () => {
  test("writes figures again and again", async () => {
    const { records } = await run.pipe("top", "-n", "2", "--interval", "100ms");
    expect(records).toHaveLength(2);
    expect(records[0]).toMatchObject({ server: { store: expect.any(String) }, queues: expect.any(Array) });
    const dumb = await cli(["top", "-n", "1"], { env: { GOTASKQ_URL: server.url, TERM: "dumb" }, isTerminal: true });
    expect(dumb.stdout).toMatch(/^gotaskq top {2}http[\s\S]*\nQUEUE +DONE\/S/);
    expect(dumb.stdout).not.toContain("\u001B");
    expect((await run.pipe("top", "-n", "1", "--text")).stdout).toMatch(/^gotaskq top {2}http[\s\S]*\nQUEUE +DONE\/S/);
  });
});

describe("bench", () => {
  test("creates and runs jobs in a queue of its own, which is gone then", async () => {
    const { code, records } = await run.pipe("bench", "--jobs", "200", "--callers", "10", "--payload", "100");
    expect(code).toBe(0);
    expect(records).toEqual([
      expect.objectContaining({ created: 200, run: 200, left: 0, createMs: expect.any(Object) }),
    ]);
    const batches = await run.terminal("bench", "--jobs", "250", "--batch", "100", "--callers", "2", "--handlers", "0");
    expect(batches.stdout).toMatch(/^creates {3}\d+\/s, 250 in all; a call: p50 /);
    const names = (await run.pipe("queues", "list")).records.map(({ name }) => String(name));
    expect(names.filter((name) => name.startsWith("bench-"))).toEqual([]);
    await enqueued("echo", "-q", "idle", "--delay", "1h");
    expect((await run.pipe("bench", "-q", "idle", "--jobs", "1")).stderr).toContain("--queue: idle has jobs in it");
  });

  test("ends early on a signal, and cleans up", async () => {
    const running = run.start("bench", "--for", "1m", "--callers", "2");
    const isThere = async () =>
      (await run.pipe("queues", "list")).records.some(({ name }) => String(name).startsWith("bench-")) || undefined;
    await eventually(isThere, "the queue of the bench");
    running.signal("SIGINT");
    expect((await running.ended).code).toBe(130);
    expect(await isThere()).toBeUndefined();
  });
});
