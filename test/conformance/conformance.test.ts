import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, inject, test } from "vitest";
import { within } from "../support/wait.js";
import { RUNNER } from "./files.js";

/** How long one run of the suite may take, ms; it takes some 10 s. */
const RUN_MS = 150_000;

/** Cases of the suite, by its version in install.ts. */
const CASES = 1776;
const LIMIT_CASES = 124;

/** Those in which a message is over the limit. */
const TOO_LARGE_CASES = 72;

/** What the suite has to say of an error with one detail that it did not ask for, and whose type it does not know. */
const ONE_DETAIL =
  /^\t(; )?(actual error contain 1 details; expecting 0$|connect error JSON: .* message type "google.rpc.ErrorInfo" could not be resolved)/;

/** How the suite names a case in which a message is over the limit, when it fails. */
const TOO_LARGE = /^FAILED: Server Message Size\/.*-exceeds-server-limit:$/;

const folder = fileURLToPath(new URL("./", import.meta.url));

let runner: ChildProcess | undefined;

afterEach(() => {
  // The suite, and the servers that it has started.
  if (runner?.pid !== undefined && runner.exitCode === null) process.kill(-runner.pid, "SIGKILL");
});

/** What the suite says of a server. */
interface Report {
  readonly exitCode: number | null;
  readonly passed: number;
  readonly failed: number;
  /** Lines about cases that failed. */
  readonly lines: readonly string[];
}

async function runSuite(config: string, serverArgs: readonly string[]): Promise<Report> {
  const server = [process.execPath, "--import", "tsx", `${folder}server.ts`, ...serverArgs];
  // One server at a time: the suite waits 5 s for the start of each.
  const args = ["--mode", "server", "--max-servers", "1", "--conf", `${folder}${config}`, "--", ...server];
  const child = spawn(RUNNER, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  runner = child;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const exitCode = await within(ended, "the end of the suite", RUN_MS);
  const found = /^Total cases: \d+\n(\d+) passed, (\d+) failed$/m.exec(output);
  if (found === null) throw new Error(`the suite did not say how many cases passed:\n${output}`);
  const lines = output.slice(0, found.index).split("\n");
  return { exitCode, passed: Number(found[1]), failed: Number(found[2]), lines: lines.filter((line) => line !== "") };
}

const missing = inject("conformanceMissing");

describe.skipIf(missing !== "").each([["fast"], ["stock"]])("the %s path meets Connect's conformance suite", (path) => {
  test("in all protocols, encodings and kinds of streams", async () => {
    const report = await runSuite("config.yaml", [path]);
    expect(report).toMatchObject({ exitCode: 0, passed: CASES, failed: 0 });
  });

  test("where messages have a limit, but for the detail that says so", async () => {
    const { passed, failed, lines } = await runSuite("limits.yaml", [path]);
    expect({ passed, failed }).toEqual({ passed: LIMIT_CASES - TOO_LARGE_CASES, failed: TOO_LARGE_CASES });
    expect(lines.filter((line) => !TOO_LARGE.test(line) && !ONE_DETAIL.test(line))).toEqual([]);
  });

  test("where messages have a limit, when no details are told", async () => {
    const report = await runSuite("limits.yaml", [path, "bare"]);
    expect(report).toMatchObject({ exitCode: 0, passed: LIMIT_CASES, failed: 0 });
  });
});
