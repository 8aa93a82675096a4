import { beforeAll, expect, test } from "vitest";
import { shellWords } from "../../src/cli/completion/shell-words.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { cli } from "./support.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ QUEUES: "mail", NUM_WORKERS: "0" });
  const schedule = { name: "tick", queue: "mail", spec: { case: "cron", value: "@daily" } as const };
  await server.schedules.createSchedule({ schedule: { ...schedule, job: { type: "echo" } } });
});

/** What completion answers for these words, the last of which is typed: the words, or what is before a file. */
async function complete(...words: string[]): Promise<readonly string[] | string> {
  const { code, stdout, stderr } = await cli(["complete", "--", ...words], { env: { GOTASKQ_URL: server.url } });
  expect([code, stderr]).toEqual([0, ""]);
  const [kind = "", ...lines] = stdout.slice(0, -1).split("\n");
  if (kind.startsWith("files\t")) return kind.slice("files\t".length);
  expect(kind).toBe("words");
  return lines.map((line) => line.split("\t")[0] ?? "");
}

test.each([
  [["sch"], ["schedules"]],
  [["comple"], ["completion"]],
  [
    ["dlq", ""],
    ["list", "summary", "replay", "delete"],
  ],
  [["dlq", "list", "--url", "summary", "su"], []],
  [["--url", "jobs", "dlq", "--token", "list", "su"], ["summary"]],
  [["bench", "--batch", "5", "--jo"], ["--jobs"]],
  [["enqueue", "--batch", "--wait-"], ["--wait-timeout"]],
  [["get", ""], []],
  [
    ["completion", ""],
    ["bash", "zsh", "fish"],
  ],
  [
    ["jobs", "--status", "D"],
    ["DONE", "DEAD"],
  ],
  [["jobs", "--status=done,de"], ["--status=done,dead"]],
  [
    ["queues", "update", "mail", "--ordering", ""],
    ["PRIORITY", "RUN_AFTER", "FAIR"],
  ],
  [
    ["queues", "pause", ""],
    ["default", "mail"],
  ],
  [["queues", "create", ""], []],
  [["jobs", "-q", "m"], ["mail"]],
  [["jobs", "--queue=default,m"], ["--queue=default,mail"]],
  [["jobs", "--nothing=m"], []],
  [["schedules", "pause", ""], []],
  [["schedules", "pause", "--queue=mail", ""], ["tick"]],
  [["jobs", "--schedule", ""], ["tick"]],
  [["get", "--token-file", "x"], ""],
  [["get", "--token-file=x"], "--token-file="],
  [["enqueue", "echo", "@x"], "@"],
  [["enqueue", "--", "--ba"], []],
])("after the words %j stand %j", async (words, expected) => {
  expect(await complete(...words)).toEqual(expected);
});

test("options are offered where nothing else must follow", async () => {
  expect(await complete("jobs", "")).toContain("--count");
  expect(await complete("jobs", "-")).toContain("--help");
  expect(await complete("")).not.toContain("--help");
});

test("what stands there is told besides", async () => {
  const { stdout } = await cli(["complete", "--", "queues", "get", "ma"], { env: { GOTASKQ_URL: server.url } });
  expect(stdout).toBe("words\nmail\t0 ready, 0 dead\n");
});

test("the server is the one that the line names, and nothing is told of one that is away", async () => {
  const line = `gotaskq queues --url ${server.url} pause ma`;
  expect((await cli(["complete", "--line", line])).stdout).toContain("\nmail\t");
  const away = await cli(["complete", "--", "queues", "pause", "--url", "http://127.0.0.1:1", "ma"]);
  expect(away).toMatchObject({ code: 0, stdout: "words\n", stderr: "" });
  const wrong = await cli(["complete", "--", "queues", "pause", "--token-file", "/nowhere", "ma"]);
  expect(wrong).toMatchObject({ code: 0, stdout: "words\n", stderr: "" });
});

test.each([
  ["gotaskq", ["gotaskq"]],
  ["gotaskq ", ["gotaskq", ""]],
  ["gotaskq  get 'a b' \"c d\" e\\ f", ["gotaskq", "get", "a b", "c d", "e f"]],
  [`gotaskq '' "a\\"b" 'not\\ ended`, ["gotaskq", "", 'a"b', "not\\ ended"]],
])("the words of %j are %j", (line, words) => {
  expect(shellWords(line)).toEqual(words);
});
