import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { readConfig } from "../../../src/server/config/config.js";
import type { ProcessLog } from "../../../src/server/log/process-log.js";
import { tellStart } from "../../../src/server/log/tell-start.js";
import { recordingLogger } from "../../support/logger.js";

const AUTH_TOKENS = "name=a token=a-token-of-20-letters scopes=read";

test.each([
  [{ HOST: "0.0.0.0", AUTH: "none" }, 1],
  [{ HOST: "0.0.0.0", AUTH_TOKENS }, 0],
  [{ HOST: "127.0.0.1" }, 0],
  [{ HOST: "127.0.0.1", AUTH: "none" }, 0],
])("a server of %j warns that everybody may do everything: %i", (env, count) => {
  const life = recordingLogger();
  const log = { format: "json", life } as unknown as ProcessLog;
  tellStart(log, { url: "http://192.0.2.1:8000", backend: "memory", handlers: undefined }, readConfig(env));
  const warnings = life.lines.filter(({ level }) => level === "warn");
  expect(warnings.map(({ message }) => message)).toEqual(
    Array(count).fill("AUTH=none: everybody who reaches this server may do everything"),
  );
});

test.each([
  [{}, undefined],
  [{ PROCESSES: "3" }, `processes: 3 serve, one keeps the jobs, and this one (${process.pid}) deals them connections`],
  [
    { PROCESSES: "2", USE_REDIS: "true", REDIS_URL: "redis://127.0.0.1" },
    `processes: 2 serve, and this one (${process.pid}) deals them connections`,
  ],
])("at a terminal a server of %j tells its processes", (env, line) => {
  let text = "";
  const print = (part: string) => {
    text += part;
  };
  const log = { format: "pretty", life: recordingLogger(), print } as unknown as ProcessLog;
  tellStart(log, { url: "http://127.0.0.1:8000", backend: "memory", handlers: undefined }, readConfig(env));
  expect(text.split("\n").find((each) => each.startsWith("processes: "))).toBe(line);
});

test("at a terminal a server gives a line that creates a job of a type that it runs, whatever its name", () => {
  let text = "";
  const print = (part: string) => {
    text += part;
  };
  const log = { format: "pretty", life: recordingLogger(), print } as unknown as ProcessLog;
  const handlers = ['it\'s "mine" $HOME'];
  tellStart(log, { url: "http://127.0.0.1:8000", backend: "memory", handlers }, readConfig({}));
  const line = /^try: curl (.*)$/m.exec(text)?.[1] ?? "";
  const words = spawnSync("sh", ["-c", `printf '%s\\n' ${line}`], { encoding: "utf8" }).stdout.split("\n");
  expect(JSON.parse(words[3] ?? "")).toMatchObject({ type: handlers[0] });
});
