import { describe, expect, test } from "vitest";
import { TaskQueueError } from "../../../src/model/common/errors.js";
import { jsonDepth, toWellFormedJson } from "../../../src/model/common/text.js";
import { checkJob, checkPayload, checkQueueSettings, type JobRequest } from "../../../src/model/request/validate.js";
import { Violations } from "../../../src/model/request/violations.js";

const NOW = Date.UTC(2026, 5, 1);
const YEAR_MS = 366 * 24 * 3600 * 1000;
const YEAR_1 = Date.parse("0001-01-01T00:00:00.000Z");
const YEAR_10000 = Date.parse("9999-12-31T23:59:59.999Z") + 1;
const MIB = 1024 * 1024;

/** Returns the bad fields that a check finds. */
function fields(check: (found: Violations) => void): string[] {
  const found = new Violations();
  check(found);
  try {
    found.throwIfAny();
  } catch (error) {
    if (!(error instanceof TaskQueueError) || error.reason !== "FIELD_INVALID") throw error;
    for (const { field, description } of error.violations) expect(error.message).toContain(`${field}: ${description}`);
    return error.violations.map(({ field }) => field);
  }
  return [];
}

function jobFields(job: Partial<JobRequest>): string[] {
  return fields((found) => checkJob(found, { type: "work", ...job }, NOW));
}

function entries(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, "value"]));
}

const LONE = String.fromCharCode(0xd800);

describe("checkJob", () => {
  const good: readonly [what: string, job: Partial<JobRequest>][] = [
    ["nothing but a type", {}],
    ["an empty queue, meaning the default", { queue: "" }],
    ["the shortest queue name", { queue: "a" }],
    ["the longest queue name", { queue: "a".repeat(64) }],
    ["a queue name with every kind of character", { queue: "0a.b_c-9" }],
    ["a type of one character", { type: "x" }],
    ["a type of 128 characters", { type: "x".repeat(128) }],
    ["a type in any script", { type: "счёт 🧾" }],
    ["a payload of 1 MiB", { payload: `"${"x".repeat(MIB - 2)}"` }],
    ["bytes of 1 MiB", { payload: new Uint8Array(MIB) }],
    ["a payload nested 32 deep", { payload: "[".repeat(32) + "]".repeat(32) }],
    ["a payload with pairs of surrogates", { payload: '"🧾"' }],
    ["the lowest numbers", { priority: 0, maxRetries: 0, delayMs: 0, timeoutMs: 0 }],
    ["the highest numbers", { priority: 10, maxRetries: 100, delayMs: YEAR_MS, timeoutMs: YEAR_MS }],
    ["a backoff that is half set", { backoff: { baseDelayMs: 0 } }],
    ["the longest backoff", { backoff: { baseDelayMs: YEAR_MS, maxDelayMs: YEAR_MS } }],
    ["a due time in the past", { runAfter: 0 }],
    ["a due time at the start of the year 1", { runAfter: YEAR_1 }],
    ["a due time in a year", { runAfter: NOW + YEAR_MS }],
    ["64 entries of metadata", { metadata: entries(64) }],
    ["the longest metadata", { metadata: { ["k".repeat(128)]: "v".repeat(1024) } }],
    ["an empty metadata value", { metadata: { key: "" } }],
    ["an empty request id", { requestId: "" }],
    ["a request id of 128 characters", { requestId: "r".repeat(128) }],
  ];
  test.each(good)("takes %s", (_what, job) => {
    expect(jobFields(job)).toEqual([]);
  });

  const bad: readonly [what: string, job: Partial<JobRequest>, field: string][] = [
    ["a queue name of 65 characters", { queue: "a".repeat(65) }, "queue"],
    ["a queue name with a capital", { queue: "Mail" }, "queue"],
    ["a queue name with a slash", { queue: "a/b" }, "queue"],
    ["a queue name that begins with a dot", { queue: ".a" }, "queue"],
    ["a queue name that ends with a dash", { queue: "a-" }, "queue"],
    ["a queue name with a line end", { queue: "a\n" }, "queue"],
    ["an empty type", { type: "" }, "type"],
    ["a type of 129 characters", { type: "x".repeat(129) }, "type"],
    ["a type with half a surrogate pair", { type: `a${LONE}b` }, "type"],
    ["a payload over 1 MiB", { payload: `"${"x".repeat(MIB - 1)}"` }, "payload"],
    ["a payload over 1 MiB in UTF-8 only", { payload: `"${"ä".repeat(MIB / 2)}"` }, "payload"],
    ["bytes over 1 MiB", { payload: new Uint8Array(MIB + 1) }, "payloadBytes"],
    ["a payload nested 101 deep", { payload: "[".repeat(101) + "]".repeat(101) }, "payload"],
    ["a payload with half a surrogate pair", { payload: JSON.stringify({ text: LONE }) }, "payload"],
    ["a priority below 0", { priority: -1 }, "priority"],
    ["a priority above 10", { priority: 11 }, "priority"],
    ["a broken priority", { priority: 1.5 }, "priority"],
    ["a priority that is no number", { priority: Number.NaN }, "priority"],
    ["retries below 0", { maxRetries: -1 }, "maxRetries"],
    ["retries above 100", { maxRetries: 101 }, "maxRetries"],
    ["a delay below 0", { delayMs: -1 }, "delay"],
    ["a delay over a year", { delayMs: YEAR_MS + 1 }, "delay"],
    ["a delay that is no number", { delayMs: Number.NaN }, "delay"],
    ["an infinite delay", { delayMs: Number.POSITIVE_INFINITY }, "delay"],
    ["a timeout below 0", { timeoutMs: -1 }, "timeout"],
    ["a timeout over a year", { timeoutMs: YEAR_MS + 1 }, "timeout"],
    ["a base delay below 0", { backoff: { baseDelayMs: -1 } }, "backoff.baseDelay"],
    ["a longest delay over a year", { backoff: { maxDelayMs: YEAR_MS + 1 } }, "backoff.maxDelay"],
    ["a due time in more than a year", { runAfter: NOW + YEAR_MS + 1 }, "runAfter"],
    ["a due time that is no number", { runAfter: Number.NaN }, "runAfter"],
    ["an infinite due time", { runAfter: Number.POSITIVE_INFINITY }, "runAfter"],
    ["a due time before the year 1", { runAfter: YEAR_1 - 1 }, "runAfter"],
    ["a due time after the year 9999", { runAfter: YEAR_10000 }, "runAfter"],
    ["a due time that no number of ms can tell", { runAfter: -1e300 }, "runAfter"],
    ["a due time beside a delay", { runAfter: NOW, delayMs: 0 }, "runAfter"],
    ["65 entries of metadata", { metadata: entries(65) }, "metadata"],
    ["an empty metadata key", { metadata: { "": "v" } }, 'metadata key ""'],
    ["a metadata value of 1025 characters", { metadata: { key: "v".repeat(1025) } }, 'metadata["key"]'],
    ["a metadata value with half a surrogate pair", { metadata: { key: LONE } }, 'metadata["key"]'],
    ["a request id of 129 characters", { requestId: "r".repeat(129) }, "requestId"],
  ];
  test.each(bad)("refuses %s", (_what, job, field) => {
    expect(jobFields(job)).toEqual([field]);
  });

  test("names a metadata key that is too long by its beginning", () => {
    expect(jobFields({ metadata: { ["k".repeat(129)]: "v" } })).toEqual([`metadata key "${"k".repeat(128)}"`]);
  });

  test("names every bad field at once, below the path it was given", () => {
    const job = {
      queue: "Not A Name",
      type: "",
      payload: "[".repeat(101),
      priority: 11,
      maxRetries: -1,
      delayMs: -1,
      runAfter: Number.NaN,
      timeoutMs: -1,
      backoff: { baseDelayMs: -1, maxDelayMs: Number.NaN },
      requestId: "r".repeat(129),
      metadata: { "": "v", key: LONE },
    };
    expect(
      fields((found) => {
        found.enter("requests", 3);
        checkJob(found, job, NOW);
      }).sort(),
    ).toEqual(
      [
        "requests[3].queue",
        "requests[3].type",
        "requests[3].payload",
        "requests[3].priority",
        "requests[3].maxRetries",
        "requests[3].delay",
        "requests[3].runAfter",
        "requests[3].runAfter",
        "requests[3].timeout",
        "requests[3].backoff.baseDelay",
        "requests[3].backoff.maxDelay",
        "requests[3].requestId",
        'requests[3].metadata key ""',
        'requests[3].metadata["key"]',
      ].sort(),
    );
  });

  test("takes no due time after the year 9999 either when the server's clock is near it", () => {
    const check = (runAfter: number) =>
      fields((found) => checkJob(found, { type: "work", runAfter }, YEAR_10000 - 1000));
    expect(check(YEAR_10000 - 1)).toEqual([]);
    expect(check(YEAR_10000)).toEqual(["runAfter"]);
  });

  test("writes no half surrogate pair into what it says", () => {
    const found = new Violations();
    checkJob(found, { type: "work", metadata: { [`${"k".repeat(127)}🧾`]: "v", [LONE]: "v" } }, NOW);
    try {
      found.throwIfAny();
      expect.unreachable("it was taken");
    } catch (error) {
      expect((error as Error).message.isWellFormed()).toBe(true);
    }
  });
});

describe("checkPayload", () => {
  test("has nothing against no payload", () => {
    expect(fields((found) => checkPayload(found, "result", undefined))).toEqual([]);
  });

  test("names bytes after the field that carries them", () => {
    expect(fields((found) => checkPayload(found, "result", new Uint8Array(MIB + 1)))).toEqual(["resultBytes"]);
  });

  test("does not take a text that speaks of a surrogate for one", () => {
    expect(fields((found) => checkPayload(found, "payload", JSON.stringify("\\ud800")))).toEqual([]);
  });
});

describe("Violations", () => {
  test("throws nothing when nothing was found", () => {
    expect(fields(() => {})).toEqual([]);
  });

  test.each(["", "1x", "-1", "007"])("refuses the job id %j", (id) => {
    expect(fields((found) => found.jobId("id", id))).toEqual(["id"]);
  });

  test.each([undefined, 0, 1, 1000])("takes the page size %s", (size) => {
    expect(fields((found) => found.pageSize("pageSize", size))).toEqual([]);
  });

  test.each([-1, 1001, 0.5])("refuses the page size %s", (size) => {
    expect(fields((found) => found.pageSize("pageSize", size))).toEqual(["pageSize"]);
  });

  test("refuses a text that is none", () => {
    expect(fields((found) => found.text("type", 7 as unknown as string, 1, 10))).toEqual(["type"]);
  });

  test("takes a duration of exactly the least", () => {
    expect(fields((found) => found.duration("lease", 1000, 1000))).toEqual([]);
    expect(fields((found) => found.duration("lease", 999, 1000))).toEqual(["lease"]);
  });
});

describe("checkQueueSettings", () => {
  function settingsFields(settings: Parameters<typeof checkQueueSettings>[2]): string[] {
    return fields((found) => checkQueueSettings(found, "settings.", settings));
  }

  test.each([
    { weight: 1, maxConcurrency: 0, maxDepth: 0, ordering: "PRIORITY" as const },
    { weight: 1000, maxConcurrency: 1_000_000, maxDepth: 1_000_000_000, ordering: "RUN_AFTER" as const },
    { weight: 1, maxConcurrency: 0, maxDepth: 0, maxConcurrencyPerKey: 1_000_000, ordering: "FAIR" as const },
    {},
  ])("takes $weight, $maxConcurrency, $maxDepth, $ordering", (settings) => {
    expect(settingsFields(settings)).toEqual([]);
  });

  test("names every bad setting at once", () => {
    const bad = { weight: 0, maxConcurrency: -1, maxDepth: 0.5, ordering: "FIFO" as unknown as "PRIORITY" };
    const path = (name: string) => `settings.${name}`;
    expect(settingsFields(bad)).toEqual(["weight", "maxConcurrency", "maxDepth", "ordering"].map(path));
    const unkept = { completedTtlMs: -1, maxCompleted: 0.5, deadTtlMs: 0, maxDead: 0 };
    expect(settingsFields(unkept)).toEqual(["completedTtl", "maxCompleted", "deadTtl", "maxDead"].map(path));
    expect(settingsFields({ completedTtlMs: 0, maxCompleted: 0, deadTtlMs: 1, maxDead: 1 })).toEqual([]);
    expect(settingsFields({ completedTtlMs: null, maxCompleted: null, deadTtlMs: null, maxDead: null })).toEqual([]);
    const rate = { count: 0, periodMs: 0, burst: 0.5 };
    const rateParts = ["count", "period", "burst"].map((part) => path(`rateLimit.${part}`));
    expect(settingsFields({ rateLimit: rate })).toEqual(rateParts);
    expect(settingsFields({ rateLimit: { count: 1_000_001, periodMs: 1e15, burst: 1_000_001 } })).toEqual(rateParts);
    expect(settingsFields({ rateLimit: {} as typeof rate })).toEqual(rateParts.slice(0, 2));
    expect(settingsFields({ rateLimit: { count: 1001, periodMs: 1 } })).toEqual(rateParts.slice(0, 1));
    expect(settingsFields({ rateLimit: { count: 1000, periodMs: 1, burst: 1_000_000 } })).toEqual([]);
    expect(settingsFields({ rateLimit: null })).toEqual([]);
    expect(settingsFields({ weight: 1001, maxConcurrency: 1_000_001, maxDepth: 1_000_000_001 })).toEqual(
      ["weight", "maxConcurrency", "maxDepth"].map(path),
    );
  });
});

describe("jsonDepth", () => {
  test.each([
    ["1", 0],
    ['"[[["', 0],
    ["{}", 1],
    ['[1,{"a":[]},[]]', 3],
    ['["\\"[[", [2]]', 2],
    ['["\\\\",[2]]', 2],
    ['{"[":{"{":1}}', 2],
  ])("of %s is %i", (json, depth) => {
    expect(jsonDepth(json)).toBe(depth);
  });

  test("is counted however deep it is", () => {
    expect(jsonDepth("[".repeat(500_000) + "]".repeat(500_000))).toBe(500_000);
  });
});

describe("toWellFormedJson", () => {
  test.each([
    ["nothing to replace", { a: "plain \\ 🧾 \\u0041" }],
    ["text that speaks of a surrogate", "\\ud800 and \\\\ud800"],
  ])("leaves %s as it is", (_what, value) => {
    const json = JSON.stringify(value);
    expect(toWellFormedJson(json)).toBe(json);
  });

  test.each([
    ["a high half", "\ud800", "\ufffd"],
    ["a low half", "\udc00", "\ufffd"],
    ["halves in the wrong order", "\udc00\ud800", "\ufffd\ufffd"],
    ["a half behind a backslash", "\\\ud800", "\\\ufffd"],
    ["a half between a whole pair", "🧾\ud83e🧾", "🧾\ufffd🧾"],
    ["a half in front of text that looks like the other", "\ud83e\\uddfe", "\ufffd\\uddfe"],
  ])("replaces %s", (_what, given, expected) => {
    expect(JSON.parse(toWellFormedJson(JSON.stringify({ [given]: [given] })))).toEqual({ [expected]: [expected] });
  });
});
