import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseRedisUrl } from "../../src/backends/redis/link/url.js";
import { CODE_OF_REASON } from "../../src/model/common/errors.js";
import { startRedis } from "../support/redis.js";
import { startTestServer } from "../support/server.js";
import { runShellSteps, shellSteps } from "../support/shell-steps.js";

const readme = readFileSync("src/server/README.md", "utf8");
const runbook = readme.slice(readme.indexOf("\n## Runbook\n"), readme.indexOf("\n## The rooms\n"));
const TOKEN = /TOKEN=(\S+)/.exec(runbook)?.[1] ?? "";

test("the runbook says of each reason what to do", () => {
  const from = runbook.indexOf("\n## What a refused call means");
  const table = runbook.slice(from, runbook.indexOf("\n## ", from + 1));
  const named = [...table.matchAll(/^\| (`.+?) \|/gm)].flatMap(([, cell = ""]) => [...cell.matchAll(/`(\w+)`/g)]);
  expect(named.map(([, reason]) => reason).toSorted()).toEqual(Object.keys(CODE_OF_REASON).toSorted());
});

test("the runbook is short: who is called at night has no time for more", () => {
  expect(runbook.split("\n").length).toBeGreaterThan(200);
  expect(runbook.split("\n").length).toBeLessThanOrEqual(270);
});

test("the commands of the runbook do what it says", async () => {
  const redis = await startRedis();
  const target = parseRedisUrl(redis.url);
  const server = await startTestServer({
    ...{ USE_REDIS: "true", REDIS_URL: redis.url, AUTH_TOKENS: `name=ops token=${TOKEN} scopes=admin` },
  });
  const cli = target?.kind === "socket" ? `redis-cli -s ${target.path}` : `redis-cli -u ${redis.url}`;
  const text = runbook
    .replaceAll("http://127.0.0.1:8000", server.url)
    .replaceAll("redis-cli -u redis://127.0.0.1:6379", cli);
  const steps = shellSteps(text);
  expect(steps.length).toBeGreaterThan(15);
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-runbook-"));
  try {
    const outputs = await runShellSteps(steps, folder, process.cwd());
    for (const [index, { commands, part }] of steps.entries()) {
      expect(outputs[index], `after ${commands}`).toContain(part);
      expect(outputs[index], `after ${commands}`).not.toContain('"code":');
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
