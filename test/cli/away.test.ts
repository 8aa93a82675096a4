import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createBriefLogger } from "../../src/cli/brief-logger.js";
import { createFeed } from "../../src/cli/top/feed.js";
import type { TaskQueueClient } from "../../src/client/index.js";
import { TaskQueueError } from "../../src/model/common/errors.js";
import type { Logger } from "../../src/model/log/logger.js";
import { createAuthority } from "../support/certificates.js";
import { created } from "../support/rpc.js";
import { startTestServer } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { cli, startCli } from "./support.js";

const NOWHERE = "http://127.0.0.1:1";

test.each(["watch", "watch 12", "enqueue echo 1 --wait", "top", "top --text", "bench", "check", "jobs", "get 1"])(
  "%s ends when there is no server, and says where it was looked for",
  async (line) => {
    const args = [...line.split(" "), "--url", NOWHERE, "--retry", "1ms"];
    for (const isTerminal of [false, true]) {
      const { code, stderr } = await cli(args, { isTerminal });
      expect([code, stderr]).toEqual([4, expect.stringContaining(NOWHERE)]);
    }
  },
);

test("a watch whose server is lost goes on when there is one again, and says both", async () => {
  const DATA_DIR = mkdtempSync(join(tmpdir(), "gotaskq-away-"));
  onTestFinished(() => rmSync(DATA_DIR, { recursive: true, force: true }));
  const first = await startTestServer({ DATA_DIR, NUM_WORKERS: "0" });
  const id = await created(first, { type: "echo" });
  const world = { env: { GOTASKQ_URL: first.url }, isTerminal: true };
  const many = startCli(["watch", "-n", "20"], world);
  const one = startCli(["watch", id], world);
  const says = (text: string) =>
    Promise.all(
      [many, one].map((each) => eventually(async () => each.stderr().includes(text) || undefined, `"${text}"`)),
    );
  await eventually(async () => one.stderr().endsWith("PENDING") || undefined, "the state of the job");
  // Nothing tells when a watch has begun: jobs are created until it has seen one.
  while (!many.stdout().includes("echo")) await created(first, { type: "echo" });
  await first.stop();
  await says("; trying again\n");
  // The line of the job is taken away before.
  expect(one.stderr()).toContain("PENDING\r\u001B[Kgotaskq: ");
  const second = await startTestServer({ DATA_DIR, PORT: String(first.port) });
  await says("gotaskq: the server answers again\n");
  expect(await one.ended).toMatchObject({ code: 0, stdout: expect.stringContaining("DONE") });
  for (let n = 0; n < 20; n++) await created(second, { type: "echo" });
  expect((await many.ended).code).toBe(0);
});

test("top shows a server that stands still as away, as one that is gone", async () => {
  let code: "UNAVAILABLE" | "DEADLINE_EXCEEDED" | undefined;
  const answer = async <T>(value: T) => {
    if (code !== undefined) throw new TaskQueueError(code, `it is ${code}`);
    return value;
  };
  const feed = createFeed({
    server: { info: () => answer({ version: "1" }), workers: async function* () {} },
    queues: { list: () => answer([]) },
    list: () => ({ page: () => answer({ items: [] }) }),
  } as unknown as TaskQueueClient);
  expect(await feed.read()).toMatchObject({ info: { version: "1" }, problem: undefined });
  for (code of ["UNAVAILABLE", "DEADLINE_EXCEEDED"] as const) {
    expect(await feed.read()).toMatchObject({ info: { version: "1" }, problem: `it is ${code}` });
  }
  code = undefined;
  expect(await feed.read()).toMatchObject({ problem: undefined });
});

test("a server that cannot be talked to is told as one, with what may help", async () => {
  const authority = createAuthority();
  const { cert, key } = authority.issue("localhost");
  const secure = await startTestServer({ TLS_CERT: cert, TLS_KEY: key });
  const plain = await startTestServer();
  const asking = await startTestServer({ TLS_CERT: cert, TLS_KEY: key, TLS_CLIENT_CA: authority.ca });
  const jobs = (...args: string[]) => cli(["jobs", "--count", "--retry", "1ms", ...args]);
  expect(await jobs("--url", secure.url, "--tls-ca", authority.ca)).toMatchObject({ code: 0, stderr: "" });
  const cases: readonly (readonly [args: readonly string[], hint: string])[] = [
    [[secure.url], `${secure.url}: --tls-ca or GOTASKQ_TLS_CA names who vouches`],
    [[secure.url, "--tls-ca", authority.ca, "--tls-server-name", "other"], "GOTASKQ_TLS_SERVER_NAME says the name"],
    [[secure.url.replace("https", "http")], "its URL begins with https://"],
    [[plain.url.replace("http", "https")], "its URL begins with http://"],
    [[asking.url, "--tls-ca", authority.ca], "--tls-cert and --tls-key show it a certificate"],
  ];
  for (const [args, hint] of cases) {
    const refused = await jobs("--url", ...args);
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining(hint)]);
    const checked = await cli(["check", "--url", ...args]);
    expect([checked.code, checked.stderr]).toEqual([4, expect.stringContaining(hint)]);
  }
});

test("a bench whose server goes says why, and which queue it leaves behind", async () => {
  const server = await startTestServer();
  const bench = startCli([
    "bench",
    "--for",
    "1h",
    "--callers",
    "2",
    "--handlers",
    "0",
    "--retry",
    "1ms",
    "--url",
    server.url,
  ]);
  const queue = await eventually(async () => {
    const { queues } = await server.queues.listQueues({});
    return queues.find(({ name, stats }) => name.startsWith("bench-") && (stats?.ready ?? 0) > 0)?.name;
  }, "a job of the bench");
  await server.stop();
  const { code, stderr } = await bench.ended;
  expect([code, stderr]).toEqual([4, expect.stringContaining(`the queue ${queue} is left behind: `)]);
  expect(stderr).toContain(`is a server at ${server.url}?`);
});

test("a worker whose server is away tells why, without a stack, and the same no more than each 10 s", () => {
  const lines: [object, string][] = [];
  let now = 0;
  const told = (fields: object, message: string) => void lines.push([fields, message]);
  const plain: Logger = {
    debug: told,
    info: told,
    warn: told,
    error: told,
    child: () => plain,
    isLevelEnabled: () => true,
  };
  const logger = createBriefLogger(plain, () => now);
  const away = { err: new TaskQueueError("UNAVAILABLE", "it is away"), url: "a" };
  logger.warn(away, "no stream");
  logger.child({}).warn(away, "no stream");
  logger.warn(away, "no outcome");
  now = 10_000;
  logger.warn(away, "no stream");
  const broken = { err: new Error("broken") };
  logger.error(broken, "other");
  logger.error(broken, "other");
  const brief = { url: "a", problem: "it is away" };
  expect(lines).toEqual([
    [brief, "no stream"],
    [brief, "no outcome"],
    [brief, "no stream"],
    [broken, "other"],
    [broken, "other"],
  ]);
});
