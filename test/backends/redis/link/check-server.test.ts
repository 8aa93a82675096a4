import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { SCHEMA_VERSION } from "../../../../src/backends/redis/layout/table.js";
import { adviceOn, checkServer, RedisUnusable, readInfo } from "../../../../src/backends/redis/link/check-server.js";
import type { Client } from "../../../../src/backends/redis/link/client.js";
import { Connection } from "../../../../src/backends/redis/link/connection.js";
import { createKeys } from "../../../../src/backends/redis/scripts/keys.js";
import { CHECK_RIGHTS } from "../../../../src/backends/redis/scripts/rights.js";
import { createSystemClock } from "../../../../src/core/clock.js";
import { recordingLogger } from "../../../support/logger.js";
import { startRedis } from "../../../support/redis.js";

const info = (fields: Readonly<Record<string, string>>) => new Map(Object.entries(fields));
const kept = { maxmemory_policy: "noeviction", aof_enabled: "1" };

describe("advice on a Redis", () => {
  test.each([
    ["nothing, when it keeps all it is given", kept, "", []],
    ["nothing, when it does not tell", {}, undefined, []],
    ["a policy that drops keys", { ...kept, maxmemory_policy: "allkeys-lru" }, "", [/allkeys-lru.*noeviction/]],
    ["a policy that drops keys with a TTL", { ...kept, maxmemory_policy: "volatile-ttl" }, "", [/volatile-ttl/]],
    ["nothing on disk", { ...kept, aof_enabled: "0" }, "", [/keeps nothing on disk.*appendonly yes/]],
    ["snapshots only", { ...kept, aof_enabled: "0" }, "3600 1 300 100", [/snapshots only.*appendonly yes/]],
    ["both", { maxmemory_policy: "allkeys-lfu", aof_enabled: "0" }, "", [/allkeys-lfu/, /nothing on disk/]],
  ])("%s", (_, fields, saves, expected) => {
    const advice = adviceOn(info(fields), saves);
    expect(advice).toHaveLength(expected.length);
    expected.forEach((pattern, at) => {
      expect(advice[at]).toMatch(pattern);
    });
  });

  test("INFO is read field by field, values with colons too", () => {
    const text = "# Server\r\nredis_version:7.0.15\r\nexecutable:/usr/bin/a:b\r\n\r\n# Memory\r\nmaxmemory_policy:\r\n";
    expect([...readInfo(text)]).toEqual([
      ["redis_version", "7.0.15"],
      ["executable", "/usr/bin/a:b"],
      ["maxmemory_policy", ""],
    ]);
  });
});

test("every command of the scripts is among those whose rights are checked", async () => {
  const folder = new URL("../../../../src/backends/redis/scripts/", import.meta.url);
  const files = await readdir(folder, { recursive: true });
  const scripts = files.filter((file) => file.endsWith(".ts"));
  const texts = await Promise.all(scripts.map((file) => readFile(new URL(file, folder), "utf8")));
  const used = texts.flatMap((text) => [...text.matchAll(/\b(?:call|callMany)\('([A-Z]+)'/g)].map(([, name]) => name));
  expect(used).toContain("ZADD");
  const checked = [...CHECK_RIGHTS.matchAll(/try\('([A-Z]+)'/g)].map(([, name]) => name);
  expect(checked).toEqual(expect.arrayContaining([...new Set(used)]));
});

describe("the check at the start", () => {
  /** A real Redis that reports another version. */
  async function withVersion(version: string) {
    const redis = await startRedis();
    const client = redis.client({ enableReadyCheck: false });
    const lying = new Proxy(client, {
      get(target, key) {
        if (key === "info") return async () => `redis_version:${version}\r\n`;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const logger = recordingLogger();
    return { connection: new Connection(lying as unknown as Client, createSystemClock(), logger), client, logger };
  }

  test.each(["6.2.14", "5.0.0", "2.8"])("refuses version %s and says what is needed", async (version) => {
    const { connection, logger, client } = await withVersion(version);
    const check = checkServer(connection, createKeys("check"), logger);
    await expect(check).rejects.toBeInstanceOf(RedisUnusable);
    await expect(check).rejects.toThrow(`Redis ${version} is too old: version 7 or later is needed`);
    expect(await client.keys("*")).toEqual([]);
  });

  test.each(["7.0.0", "7.4.1", "8.2.0", "10.0.0", "255.255.255"])("takes version %s", async (version) => {
    const { connection, logger, client } = await withVersion(version);
    await checkServer(connection, createKeys("check"), logger);
    expect(await client.get("check:{*}:schema")).toBe(String(SCHEMA_VERSION));
    expect(logger.lines).toEqual([]);
  });

  test.each(["1", "99", "0", "next"])("refuses data of layout %s and leaves them alone", async (layout) => {
    const { connection, logger, client } = await withVersion("7.0.0");
    await client.set("check:{*}:schema", layout);
    await expect(checkServer(connection, createKeys("check"), logger)).rejects.toThrow(
      `written by another version of GoTaskQ (layout ${layout}; this one reads ${SCHEMA_VERSION})`,
    );
    expect(await client.get("check:{*}:schema")).toBe(layout);
  });
});
