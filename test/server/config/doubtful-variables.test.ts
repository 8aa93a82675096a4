import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { doubtfulVariables } from "../../../src/server/config/doubtful-variables.js";
import { describeVariables, VARIABLES } from "../../../src/server/config/variables.js";

describe("doubtfulVariables", () => {
  test.each([
    ["QUEUE_POLCY", "QUEUE_POLICY"],
    ["QUEUE_POLICYS", "QUEUE_POLICY"],
    ["NUM_WORKER", "NUM_WORKERS"],
    ["NUMWORKERS", "NUM_WORKERS"],
    ["AUTH_TOKEN", "AUTH_TOKENS"],
    ["AUTH_TOKENS_FIEL", "AUTH_TOKENS_FILE"],
    ["DATADIR", "DATA_DIR"],
    ["REDIS_URI", "REDIS_URL"],
    ["HANDLER", "HANDLERS"],
    ["max_retries", "MAX_RETRIES"],
    ["GOTASKQ_MAX_RETRIES", "MAX_RETRIES"],
    ["MAX_CONNECTIONS_PER_ADRESS", "MAX_CONNECTIONS_PER_ADDRESS"],
  ])("tells that %s may mean %s", (name, meant) => {
    expect(doubtfulVariables({ [name]: "x" })).toEqual([
      `${name}: is not a variable of this program; is ${meant} meant?`,
    ]);
  });

  test.each([
    ["HOME", "PATH", "POST", "SORT", "AUTHOR", "NODE_IP", "NODE_ENV", "NODE_OPTIONS", "LANG", "TERM", "PORTS"],
    ["GOTASKQ_PORT", "GOTASKQ_SERVICE_HOST", "GOTASKQ_URL", "GOTASKQ_TOKEN", "GOTASKQ_PORT_8000_TCP"],
    ["OTEL_SERVICE_NAME", "LOG_FILE", "REDIS_HOST", "REDIS_PORT", "TLS_CA", "LOGNAME", "npm_config_cache"],
  ])("says nothing of variables of others: %s, ...", (...names) => {
    expect(doubtfulVariables(Object.fromEntries(names.map((name) => [name, "x"])))).toEqual([]);
  });

  test("says nothing of what is known, empty, or beside the one that it resembles", () => {
    const all = Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, "x"]));
    expect(doubtfulVariables(all)).toEqual([]);
    expect(doubtfulVariables({ QUEUE_POLCY: " ", AUTH_TOKENS: "x", AUTH_TOKEN: "y" })).toEqual([]);
  });

  test("tells of a Redis that keeps no jobs, unless that was said", () => {
    const told = [expect.stringMatching(/^REDIS_URL: is set, and jobs are not kept there/)];
    expect(doubtfulVariables({ REDIS_URL: "redis://127.0.0.1" })).toEqual(told);
    expect(doubtfulVariables({ REDIS_URL: "redis://127.0.0.1", USE_REDIS: "false" })).toEqual([]);
    expect(doubtfulVariables({ REDIS_URL: "redis://127.0.0.1", USE_REDIS: "true" })).toEqual([]);
    expect(doubtfulVariables({ REDIS_URL: "" })).toEqual([]);
  });
});

test("the README has the variables that the program tells of, and no others", () => {
  const readme = readFileSync("src/server/README.md", "utf8");
  const table = /^#+ Configuration\n[\s\S]*?\n\n(\| variable [\s\S]*?)\n\n/m.exec(readme)?.[1] ?? "";
  const names = table.split("\n").flatMap((row) => (row.split("|")[1] ?? "").match(/[A-Z][A-Z_]+/g) ?? []);
  expect(names.toSorted()).toEqual(Object.keys(VARIABLES).toSorted());
  for (const line of describeVariables().split("\n")) expect(line.length).toBeLessThanOrEqual(120);
});
