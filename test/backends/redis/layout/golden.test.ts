import { readFile, writeFile } from "node:fs/promises";
import type { Redis } from "ioredis";
import { beforeAll, describe, expect, test } from "vitest";
import { writeResult, writeSpec, writeUnique } from "../../../../src/backends/redis/layout/codec.js";
import {
  firingText,
  versionText,
  writeScheduleSpec,
  writeStanding,
} from "../../../../src/backends/redis/layout/codec-schedule.js";
import { type Decoded, decode, type HeldName } from "../../../../src/backends/redis/layout/decode.js";
import type { KeyTable } from "../../../../src/backends/redis/layout/describe.js";
import { FEATURES } from "../../../../src/backends/redis/layout/features.js";
import { featuresOf, writeSettings } from "../../../../src/backends/redis/layout/settings.js";
import { OBJECTS, QUEUE_KEYS, type QueueKey, RECORDS } from "../../../../src/backends/redis/layout/table.js";
import { readKey } from "../../../../src/backends/redis/tools/dump.js";
import type { NewJob } from "../../../../src/core/port/new-jobs.js";
import { createdSchedule } from "../../../../src/core/port/schedule-store.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../../src/model/queue/queue.js";
import { newJob, TRACE } from "../../../support/job.js";
import { startRedis } from "../../../support/redis.js";
import { firing, newSchedule } from "../../../support/schedule.js";
import { createRunner, type ScriptRunner } from "../support/scripts.js";

// What the scripts write, held against what they wrote when golden.json was made. A layout that changes by accident fails
// here: as the table then reads the old records otherwise, or as the scripts write others.
// GOTASKQ_TEST_GOLDEN=write makes the file anew.

const GOLDEN = new URL("./golden.json", import.meta.url);

/** An entry of a key, as text. Payloads of these jobs are all text, or bytes below 128. */
interface Golden {
  readonly key: string;
  readonly at: string;
  readonly raw: string;
  readonly decoded?: Decoded;
}

let written: readonly Golden[];
let golden: readonly Golden[];

beforeAll(async () => {
  const client = (await startRedis()).client();
  const runner = createRunner(client, "golden", "mail", FEATURES);
  await act(runner);
  const fair = createRunner(client, "golden", "fair", FEATURES);
  await takeTurns(fair);
  const ofTurns = (await dump(client, fair.base)).filter(({ key }) => /^(turns:.*|active_keys|idle_keys)$/.test(key));
  const wide = createRunner(client, "golden", "wide", FEATURES);
  await haveManyTypes(wide);
  const ofWide = (await dump(client, wide.base)).filter(({ key }) => /^(key_types|hidden_lines|unfit_keys)$/.test(key));
  const shown = (await dump(client, wide.base)).filter(({ key }) => key === "shown_lines").slice(0, 2);
  written = [...(await dump(client, runner.base)), ...ofTurns, ...ofWide, ...shown];
  if (process.env.GOTASKQ_TEST_GOLDEN === "write")
    await writeFile(GOLDEN, `${JSON.stringify(written, undefined, 2)}\n`);
  golden = JSON.parse(await readFile(GOLDEN, "utf8"));
});

/** The id of the nth job. */
const idOf = (n: number) => String(119_173_640_645_246_976n + BigInt(n));

/** Uses every script that writes, so that there is every record in every state. */
async function act(runner: ScriptRunner): Promise<void> {
  const { run } = runner;
  const settings = {
    ...({ ordering: "PRIORITY", weight: 3, maxConcurrency: 50, maxDepth: 1000 } as const),
    rateLimit: { count: 3000, periodMs: 1000, burst: 300 },
    ...{ completedTtlMs: 90_000, maxCompleted: 500, deadTtlMs: 86_400_000, maxDead: 1000 },
    ...{
      defaultMaxRetries: 3,
      defaultBackoff: { delaysMs: [1000, 90_000] },
      defaultTimeoutMs: 60_000,
      defaultTtlMs: 7_200_000,
    },
  };
  await run("create", featuresOf(settings).join(","), ...writeSettings(settings));
  const add = (n: number, given: Partial<NewJob> = {}, when = "") => {
    const job = newJob({ id: idOf(n), type: "send", payload: '{"n":1}', priority: 5, ...given });
    const expires = job.ttlMs !== undefined || job.expiresAt !== undefined;
    const needs = (expires ? "x" : "") + (job.unique ? "u" : "") + (job.key === undefined ? "" : "k");
    const flags = `cr${needs}${needs === "" ? "" : "s"}`;
    const unique = job.unique ? [writeUnique(job)] : [];
    const script = job.unique ? "enqueueUnique" : "enqueue";
    return run(script, 1, `${flags}|${(job.open ?? 0).toString(16)}`, 1, idOf(n) + when, writeSpec(job), ...unique);
  };
  const lease = (types: readonly string[], max: number, token: string, isPoll: 1 | "" = "") =>
    run("lease", max, 30_000, "worker-1", token, "", isPoll, ...types);
  const step = () => {
    runner.now += 1000;
  };
  await add(0, { metadata: { tenant: "a", käse: "ü|\n" }, timeoutMs: 90_000 });
  await add(1, { payload: new Uint8Array([1, 2, 10, 124]), maxRetries: 7, priority: 10 });
  await add(2, { payload: undefined, type: "späte:post", priority: 0 }, "|+86400000|digest|request 1");
  await add(3, { type: "done" });
  await add(4, { type: "fails" });
  await add(5, { type: "dies" });
  await add(6, { type: "dies" }, "|=1500||");
  await add(7, { type: "cancels" });
  await add(8, { type: "lost" });
  await add(9, { type: "removed" });
  await add(11, { type: "full" });
  await add(10, { type: "timed" }, `|=${runner.now + 3_600_000}||`);
  step();
  await lease(["send"], 1, "token-a", 1);
  await run("extend", idOf(1), "token-a", 60_000, 12.5, "half | way\n");
  await run("cancel", idOf(1));
  await lease(["full"], 1, "token-h");
  await run("completeFull", idOf(11), "token-h", writeResult('{"ok":false}'));
  await lease(["done"], 1, "token-b");
  runner.memo = "server-1.0 17 0";
  await run("complete", idOf(3), "token-b", writeResult('{"ok":true}'));
  runner.memo = "";
  await lease(["fails"], 1, "token-c");
  await run("fail", idOf(4), "token-c", "whole error", "cut error", "cut", "+60000");
  step();
  await lease(["dies"], 2, "token-d");
  await run("fail", idOf(5), "token-d", "no", "", "", "n", idOf(6), "token-d", "no", "", "", "n");
  await run("replay", idOf(6));
  await run("cancel", idOf(7));
  await lease(["lost"], 1, "token-e");
  await run("release", idOf(8), "token-e");
  await run("lease", 1, 1000, "worker-2", "token-f", "", "", "lost");
  await run("remove", "0", idOf(9));
  step();
  // The clock is set ahead by a minute.
  runner.now += 60_000;
  runner.told = `${runner.now} 60000 0`;
  await run("sweep", 100, "server-1", 1);
  runner.told = "";
  await run("lease", 1, 9000, "worker-2", "token-g", "", "", "lost");
  await run("complete", idOf(8), "token-g", writeResult(new Uint8Array([1, 2, 3])));
  await add(12, { type: "traced", traceContext: TRACE });
  await add(13, { type: "slower", backoff: { baseDelayMs: 100, maxDelayMs: 5000, multiplier: 1.1 } });
  await add(14, { type: "slower", backoff: { delaysMs: [1000, 90_000, 5000] }, metadata: { tenant: "a" } });
  await add(15, { type: "late", ttlMs: 5000 }, "|+0,+5000||");
  await add(16, { type: "late", expiresAt: runner.now + 9000 }, `|+0,=${runner.now + 9000}||`);
  await add(17, { type: "preset", open: 15 });
  const unique = { key: "report | 42", until: "FINISHED", holdMs: 0 } as const;
  await add(18, { type: "held", unique });
  await add(19, { type: "held", unique, requestId: "request 2" }, "|+0|digest|request 2");
  await add(20, { type: "begun", unique: { key: "b", until: "STARTED", holdMs: 5000 } });
  await add(21, { type: "waits", unique: { key: "s", until: "STARTED", holdMs: 5000 } });
  await add(22, { type: "kept", unique: { key: "k", until: "FINISHED", holdMs: 5000 } });
  await add(23, { type: "ends", unique: { key: "d", until: "FINISHED", holdMs: 5000 } });
  await lease(["ends"], 1, "token-k");
  await run("fail", idOf(23), "token-k", "no", "", "", "n");
  await lease(["begun"], 1, "token-i");
  await lease(["kept"], 1, "token-j");
  await run("complete", idOf(22), "token-j", writeResult(undefined));
  await run("update", "keys", ...writeSettings({ maxConcurrencyPerKey: 1 }));
  for (const n of [23, 24]) await add(n, { type: "keyed", key: "käse:1", metadata: { tenant: "a" } });
  await lease(["keyed"], 1, "token-k");
  for (const n of [25, 26]) await add(n, { type: "keyed", key: "b" });
  await schedules(runner);
}

/** One key that waits for its turn, and one that has had more than others. */
async function takeTurns({ run }: ScriptRunner): Promise<void> {
  await run("create", "keys", ...writeSettings({ ...DEFAULT_QUEUE_SETTINGS, ordering: "FAIR" }));
  const add = (n: number, key?: string) =>
    run("enqueue", 1, "ck", 1, idOf(n), writeSpec(newJob({ type: "send", key })));
  await add(0, "a");
  await run("lease", 1, 30_000, "worker-1", "token-a", "", "", "send");
  await add(1, "b");
  await add(2);
}

/** A key that is full no more, with jobs of more types than one call shows again. */
async function haveManyTypes({ run }: ScriptRunner): Promise<void> {
  await run("create", "keys", ...writeSettings({ ...DEFAULT_QUEUE_SETTINGS, maxConcurrencyPerKey: 1 }));
  const add = (n: number, type: string) => run("enqueue", 1, "ck", 1, idOf(n), writeSpec(newJob({ type, key: "a" })));
  await add(0, "first");
  await run("lease", 1, 30_000, "worker-1", "token-a", "", "", "first");
  for (let n = 1; n <= 102; n++) await add(n, `type-${n}`);
  await run("complete", idOf(0), "token-a", "");
}

/** One schedule that has run and skipped a time, and one that is paused. */
async function schedules({ run, now }: ScriptRunner): Promise<void> {
  const given = (name: string) =>
    newSchedule(now, { queue: "mail", name, job: { type: "nightly", payload: '{"n":1}' }, maxRuns: 7 });
  for (const name of ["nightly", "paused"]) {
    const schedule = createdSchedule(given(name));
    await run("createSchedule", name, writeStanding(schedule), writeScheduleSpec(given(name).spec), 1);
  }
  const { spec } = given("paused");
  await run("updateSchedule", "paused", versionText(createdSchedule(given("paused"))), writeScheduleSpec(spec), "", 1);
  const skip = { at: now, reason: "MISFIRE" as const };
  const fired = firing(createdSchedule(given("nightly")), {
    jobs: [newJob({ id: idOf(90), queue: "mail", ...FIRED })],
    skip,
  });
  await run("fire", 1, "c|0", 1, firingText(fired), idOf(90), writeSpec(fired.jobs[0] as NewJob));
}

const FIRED = { type: "nightly", payload: '{"n":1}', schedule: "nightly", scheduledFor: Date.UTC(2026, 10, 1, 3) };

async function dump(client: Redis, base: string): Promise<Golden[]> {
  const keys = (await client.keys(`${base}*`)).filter((key) => key !== `${base}time`).sort();
  const entries: Golden[] = [];
  for (const key of keys) {
    const name = key.slice(base.length).split(":")[0] as QueueKey;
    const table: KeyTable | undefined = QUEUE_KEYS[name];
    expect(await client.type(key), `${key} is not in the table of keys`).toBe(table?.type);
    const found = await readKey(client, key, name, 1000);
    const texts = found.map(({ at, raw, decoded }) => {
      return { key: key.slice(base.length), at, raw: raw.toString(), ...(decoded && { decoded }) };
    });
    entries.push(...texts.sort((a, b) => (`${a.at} ${a.raw}` < `${b.at} ${b.raw}` ? -1 : 1)));
  }
  return entries;
}

/** Where Lua chose the order of names in an object, the decoded record tells more than its text. */
const comparable = ({ key, at, raw, decoded }: Golden) => ({ key, at, value: decoded ?? raw });

describe("the layout", () => {
  test("reads the golden records as it did", () => {
    for (const { key, raw, decoded } of golden) {
      const { holds }: KeyTable = QUEUE_KEYS[key.split(":")[0] as QueueKey];
      if (holds !== undefined) expect(decode(holds as HeldName, Buffer.from(raw)), `${key} ${raw}`).toEqual(decoded);
    }
  });

  test("is written as it was", () => {
    expect(written.map(comparable)).toEqual(golden.map(comparable));
  });

  test("has no key, record or named field that the golden records lack", () => {
    const keys = new Set(golden.map(({ key }) => key.split(":")[0]));
    expect([...keys].sort()).toEqual(Object.keys(QUEUE_KEYS).sort());
    const text = JSON.stringify(golden.map(({ decoded }) => decoded));
    const names = [...Object.values(RECORDS).flatMap(({ fields }) => [...fields]), ...Object.values(OBJECTS).flat()];
    for (const { name } of names) expect(text, name).toContain(`"${name}":`);
  });

  test("describes every field of meta that is there", async () => {
    const readme = await readFile(new URL("../../../../src/backends/redis/README.md", import.meta.url), "utf8");
    for (const { key, at } of golden) if (key === "meta") expect(readme).toContain(`\n| \`${at}\` | `);
  });
});
