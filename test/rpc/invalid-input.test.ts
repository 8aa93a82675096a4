import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampFromMs, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import type { JobStatus, UniqueConflict, UniqueUntil } from "../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import type { QueueOrdering } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { payload, reading, refusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { CONNECT_BINARY, GRPC } from "../support/transports.js";

type NewJob = MessageInitShape<typeof CreateJobRequestSchema>;

const YEAR_MS = 366 * 24 * 3600 * 1000;

let server: TestServer;
let jobs: TestServer["jobs"];
let queues: TestServer["queues"];

beforeAll(async () => {
  server = await startTestServer();
  ({ jobs, queues } = server);
});

const bad = (...fields: string[]) => ({
  code: "INVALID_ARGUMENT",
  reason: "FIELD_INVALID",
  domain: "gotaskq",
  retryMs: undefined,
  fields,
});

function value(kind: Value["kind"]): Value {
  return create(ValueSchema, { kind });
}

function entries(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key ${index}`, ""]));
}

describe("a new job", () => {
  test.each<[string, NewJob]>([
    ["a type of 1 character", { type: "x" }],
    ["a type of 128 characters", { type: "é".repeat(128) }],
    ["a queue named default", { queue: "default" }],
    ["priority 10", { priority: 10 }],
    ["no retries", { maxRetries: 0 }],
    ["100 retries", { maxRetries: 100 }],
    ["a delay of a year", { schedule: { case: "delay", value: durationFromMs(YEAR_MS) } }],
    ["a time within a year", { schedule: { case: "runAfter", value: timestampFromMs(Date.now() + YEAR_MS - 60_000) } }],
    ["a timeout of a year", { timeout: durationFromMs(YEAR_MS) }],
    ["a timeout of 0", { timeout: durationFromMs(0) }],
    ["a backoff of a year", { backoff: { baseDelay: durationFromMs(YEAR_MS), maxDelay: durationFromMs(YEAR_MS) } }],
    ["a key of 128 characters", { key: "k".repeat(128) }],
    ["a ttl of 1 ms", { ttl: durationFromMs(1) }],
    ["a ttl of a year", { ttl: durationFromMs(YEAR_MS) }],
    ["a time to expire that is over", { expiresAt: timestampFromMs(0) }],
    [
      "a ttl longer than its delay",
      { schedule: { case: "delay", value: durationFromMs(999) }, ttl: durationFromMs(1000) },
    ],
    [
      "a unique key as long as may be, held for a year",
      { unique: { key: "k".repeat(128), until: 2, hold: durationFromMs(YEAR_MS), onConflict: 3 } },
    ],
    ["waits of one length", { backoff: { multiplier: 1 } }],
    ["waits that grow tenfold", { backoff: { multiplier: 10 } }],
    ["a list of 20 waits", { backoff: { delays: Array.from({ length: 20 }, () => durationFromMs(YEAR_MS)) } }],
    ["a backoff of 0", { backoff: { baseDelay: durationFromMs(0), maxDelay: durationFromMs(0) } }],
    ["64 entries of metadata", { metadata: entries(64) }],
    ["metadata as long as may be", { metadata: { ["k".repeat(128)]: "v".repeat(1024) } }],
    ["a request id of 128 characters", { requestId: "r".repeat(128) }],
    ["1 MiB of bytes", { payloadKind: { case: "payloadBytes", value: new Uint8Array(1024 * 1024) } }],
    ["1 MiB of JSON text", { payloadKind: payload("x".repeat(1024 * 1024 - 2)) }],
  ])("may have %s", async (_what, request) => {
    const { job } = await jobs.createJob({ type: "unknown-to-all", ...request });
    expect(job?.revision).toBe(1);
  });

  test.each<[string, NewJob, string[]]>([
    ["no type", { type: "" }, ["type"]],
    ["a type of 129 characters", { type: "x".repeat(129) }, ["type"]],
    ["a priority below 0", { priority: -1 }, ["priority"]],
    ["a priority above 10", { priority: 11 }, ["priority"]],
    ["retries below 0", { maxRetries: -1 }, ["max_retries"]],
    ["more than 100 retries", { maxRetries: 101 }, ["max_retries"]],
    ["a delay below 0", { schedule: { case: "delay", value: durationFromMs(-1) } }, ["delay"]],
    ["a delay a bit below 0", { schedule: { case: "delay", value: { seconds: 0n, nanos: -1 } } }, ["delay"]],
    ["a delay above a year", { schedule: { case: "delay", value: durationFromMs(YEAR_MS + 1) } }, ["delay"]],
    [
      "a time more than a year ahead",
      { schedule: { case: "runAfter", value: timestampFromMs(Date.now() + YEAR_MS + 60_000) } },
      ["run_after"],
    ],
    ["a timeout below 0", { timeout: durationFromMs(-1) }, ["timeout"]],
    ["a timeout above a year", { timeout: durationFromMs(YEAR_MS + 1) }, ["timeout"]],
    [
      "a backoff out of bounds",
      { backoff: { baseDelay: durationFromMs(-1), maxDelay: durationFromMs(YEAR_MS + 1) } },
      ["backoff.base_delay", "backoff.max_delay"],
    ],
    ["a key of 129 characters", { key: "k".repeat(129) }, ["key"]],
    ["a ttl of 0", { ttl: durationFromMs(0) }, ["ttl"]],
    ["a ttl of more than a year", { ttl: durationFromMs(YEAR_MS + 1) }, ["ttl"]],
    ["a ttl that is no duration", { ttl: { nanos: -2e9 } }, ["ttl"]],
    [
      "a time to expire after more than a year",
      { expiresAt: timestampFromMs(Date.now() + 2 * YEAR_MS) },
      ["expires_at"],
    ],
    ["a ttl and a time to expire", { ttl: durationFromMs(1), expiresAt: timestampFromMs(1) }, ["ttl", "expires_at"]],
    [
      "a ttl no longer than its delay",
      { schedule: { case: "delay", value: durationFromMs(1000) }, ttl: durationFromMs(1000) },
      ["ttl"],
    ],
    [
      "a time to expire that is not after its time to run",
      { schedule: { case: "runAfter", value: timestampFromMs(5000) }, expiresAt: timestampFromMs(5000) },
      ["expires_at"],
    ],
    ["a unique job without a key", { unique: {} }, ["unique.key"]],
    [
      "bad values of uniqueness",
      {
        unique: {
          key: "k".repeat(129),
          until: 3 as UniqueUntil,
          hold: durationFromMs(YEAR_MS + 1),
          onConflict: 4 as UniqueConflict,
        },
      },
      ["unique.until", "unique.on_conflict", "unique.key", "unique.hold"],
    ],
    ["a hold below 0", { unique: { key: "k", hold: durationFromMs(-1) } }, ["unique.hold"]],
    ["a hold that is no duration", { unique: { key: "k", hold: { nanos: -2e9 } } }, ["unique.hold"]],
    ["waits that shrink", { backoff: { multiplier: 0.99 } }, ["backoff.multiplier"]],
    ["waits that grow more than tenfold", { backoff: { multiplier: 10.1 } }, ["backoff.multiplier"]],
    ["a multiplier that is no number", { backoff: { multiplier: Number.NaN } }, ["backoff.multiplier"]],
    ["a list of 21 waits", { backoff: { delays: Array.from({ length: 21 }, () => ({})) } }, ["backoff.delays"]],
    [
      "bad waits in a list",
      { backoff: { delays: [durationFromMs(-1), {}, durationFromMs(YEAR_MS + 1), { nanos: -2e9 }] } },
      ["backoff.delays[3]", "backoff.delays[0]", "backoff.delays[2]"],
    ],
    [
      "a list of waits beside growing ones",
      { backoff: { delays: [{}], baseDelay: {}, maxDelay: {}, multiplier: 3 } },
      ["backoff.base_delay", "backoff.max_delay", "backoff.multiplier"],
    ],
    ["65 entries of metadata", { metadata: entries(65) }, ["metadata"]],
    ["an empty key of metadata", { metadata: { "": "x" } }, ['metadata key ""']],
    [
      "a key of metadata that is too long",
      { metadata: { ["aB".repeat(65)]: "x" } },
      [`metadata key "${"aB".repeat(64)}"`],
    ],
    ["a value of metadata that is too long", { metadata: { someKey: "v".repeat(1025) } }, ['metadata["someKey"]']],
    ["a request id of 129 characters", { requestId: "r".repeat(129) }, ["request_id"]],
    [
      "bytes of more than 1 MiB",
      { payloadKind: { case: "payloadBytes", value: new Uint8Array(1024 * 1024 + 1) } },
      ["payload_bytes"],
    ],
    ["JSON text of more than 1 MiB", { payloadKind: payload("x".repeat(1024 * 1024 - 1)) }, ["payload"]],
    ["JSON text of more than 1 MiB in UTF-8", { payloadKind: payload("é".repeat(512 * 1024)) }, ["payload"]],
    [
      "NaN",
      { payloadKind: { case: "payload", value: value({ case: "numberValue", value: Number.NaN }) } },
      ["payload"],
    ],
    [
      "infinity in a list",
      {
        payloadKind: {
          case: "payload",
          value: value({
            case: "listValue",
            value: {
              $typeName: "google.protobuf.ListValue",
              values: [value({ case: "numberValue", value: Number.NEGATIVE_INFINITY })],
            },
          }),
        },
      },
      ["payload"],
    ],
    ["a Value that is not set", { payloadKind: { case: "payload", value: value({ case: undefined }) } }, ["payload"]],
    [
      "a Value that is not set in an object",
      {
        payloadKind: {
          case: "payload",
          value: value({
            case: "structValue",
            value: { $typeName: "google.protobuf.Struct", fields: { a: value({ case: undefined }) } },
          }),
        },
      },
      ["payload"],
    ],
  ])("may not have %s", async (_what, request, fields) => {
    const seen = await refusal(jobs.createJob({ type: "x", ...request }));
    expect(seen).toMatchObject(bad(...fields));
    expect(seen.message).toBe(fields.map((field, index) => `${field}: ${seen.descriptions[index]}`).join("; "));
  });

  test.each(["A", "a b", "-a", "a-", ".a", "a.", "é", "a/b", "x".repeat(65), "a\n", "_"])(
    "may not wait in a queue named %j",
    async (queue) => {
      expect(await refusal(jobs.createJob({ type: "x", queue }))).toMatchObject(bad("queue"));
    },
  );

  test.each<[string, { seconds: bigint; nanos: number }]>([
    ["nanos of a whole second", { seconds: 0n, nanos: 1_000_000_000 }],
    ["parts of opposite signs", { seconds: 1n, nanos: -1 }],
    ["parts of opposite signs, the other way", { seconds: -1n, nanos: 1 }],
    ["more seconds than a duration may have", { seconds: 315_576_000_001n, nanos: 0 }],
    ["the most seconds that fit", { seconds: 2n ** 63n - 1n, nanos: 0 }],
    ["the least seconds that fit", { seconds: -(2n ** 63n), nanos: -999_999_999 }],
  ])("may not have durations with %s", async (_what, wrong) => {
    const request = {
      type: "x",
      schedule: { case: "delay", value: wrong } as const,
      timeout: wrong,
      backoff: { baseDelay: wrong, maxDelay: wrong },
    };
    expect((await refusal(jobs.createJob(request))).fields.toSorted()).toEqual([
      "backoff.base_delay",
      "backoff.max_delay",
      "delay",
      "timeout",
    ]);
  });

  test.each<[string, Pick<Timestamp, "seconds" | "nanos">]>([
    ["nanos below 0", { seconds: 0n, nanos: -1 }],
    ["nanos of a whole second", { seconds: 0n, nanos: 1_000_000_000 }],
    ["a year after 9999", { seconds: 253_402_300_800n, nanos: 0 }],
    ["a year before 1", { seconds: -62_135_596_801n, nanos: 0 }],
    ["the most seconds that fit", { seconds: 2n ** 63n - 1n, nanos: 0 }],
  ])("may not have a time with %s", async (_what, wrong) => {
    const schedule = { case: "runAfter", value: wrong } as const;
    expect(await refusal(jobs.createJob({ type: "x", schedule }))).toMatchObject(bad("run_after"));
  });

  test("is refused once with every bad field named", async () => {
    const request = {
      queue: "No Queue",
      type: "",
      priority: 11,
      maxRetries: 101,
      timeout: durationFromMs(-1),
      requestId: "r".repeat(129),
      metadata: { "": "x" },
      backoff: { baseDelay: durationFromMs(-1) },
      schedule: { case: "delay", value: durationFromMs(-1) } as const,
    };
    const seen = await refusal(jobs.createJob(request));
    expect(seen.fields.toSorted()).toEqual(
      [
        ...["queue", "type", "priority", "max_retries", "timeout", "request_id"],
        ...['metadata key ""', "backoff.base_delay", "delay"],
      ].sort(),
    );
    for (const field of seen.fields.slice(0, 3)) expect(seen.message).toContain(`${field}: `);
  });

  test.each([GRPC, CONNECT_BINARY])(
    "whose payload is no JSON is refused with its other bad fields: $name",
    async (kind) => {
      const request = {
        type: "",
        payloadKind: { case: "payload", value: value({ case: undefined }) } as const,
        priority: 11,
      };
      const { jobs } = server.connect(kind);
      expect(await refusal(jobs.createJob(request))).toMatchObject(bad("payload", "type", "priority"));
      const fields = ["payload", "type", "priority"].map((field) => `requests[1].${field}`);
      expect(await refusal(jobs.batchCreateJobs({ requests: [{ type: "x" }, request] }))).toMatchObject(bad(...fields));
    },
  );
});

describe("filters", () => {
  test("of ListJobs name every bad field", async () => {
    const statuses = [1, 0, 99 as JobStatus];
    expect(await refusal(jobs.listJobs({ queue: "No", statuses, pageSize: 1001 }))).toMatchObject(
      bad("statuses[1]", "statuses[2]", "queue", "page_size"),
    );
    expect(await refusal(jobs.listJobs({ pageSize: -1 }))).toMatchObject(bad("page_size"));
  });

  test("of ListDeadJobs name every bad field", async () => {
    expect(await refusal(server.dlq.listDeadJobs({ queue: "No", pageSize: -1 }))).toMatchObject(
      bad("queue", "page_size"),
    );
  });

  test("of WatchQueues name every bad field", async () => {
    const minInterval = { seconds: 1n, nanos: -1 };
    const stream = server.queues.watchQueues({ names: ["default", "No"], minInterval });
    expect(await refusal(reading(stream).rest())).toMatchObject(bad("min_interval", "names[1]"));
  });

  test("of WatchJobs name every bad field", async () => {
    const stream = jobs.watchJobs({ statuses: [0, 1], queues: ["default", "No", ""] });
    expect(await refusal(reading(stream).rest())).toMatchObject(bad("statuses[0]", "queues[1]", "queues[2]"));
  });

  test.each(["x", "é", "00000000", "00000000.", "0000000.1", "00000000.-1", "00000000.99999999999999999"])(
    "of WatchJobs name the cursor %j",
    async (cursor) => {
      expect(await refusal(reading(jobs.watchJobs({ cursor })).rest())).toMatchObject(bad("cursor"));
    },
  );

  test("of WatchJobs name a cursor that lies ahead", async () => {
    const leave = new AbortController();
    const { cursor } = await reading(jobs.watchJobs({}, { signal: leave.signal })).next();
    leave.abort();
    const ahead = cursor.replace(/\d+$/, (position) => String(Number(position) + 1000));
    expect(await refusal(reading(jobs.watchJobs({ cursor: ahead })).rest())).toMatchObject(bad("cursor"));
  });

  test("of WatchJobs name types that no job can have", async () => {
    const types = ["x", "", "x".repeat(129)];
    expect(await refusal(reading(jobs.watchJobs({ types })).rest())).toMatchObject(bad("types[1]", "types[2]"));
  });

  test("take 100 entries of a list and no more", async () => {
    const list = <T>(length: number, entry: T) => Array.from({ length }, () => entry);
    expect((await jobs.listJobs({ statuses: list(100, 1 as JobStatus), pageSize: 1 })).jobs.length).toBeLessThan(2);
    expect(await refusal(jobs.listJobs({ statuses: list(101, 1 as JobStatus) }))).toMatchObject(bad("statuses"));
    const lists = { queues: list(101, "default"), types: list(101, "x"), statuses: list(101, 1 as JobStatus) };
    for (const [field, value] of Object.entries(lists)) {
      expect(await refusal(reading(jobs.watchJobs({ [field]: value })).rest())).toMatchObject(bad(field));
    }
    const names = list(101, "default");
    expect(await refusal(reading(queues.watchQueues({ names })).rest())).toMatchObject(bad("names"));
    const updateMask = { paths: list(101, "settings") };
    expect(await refusal(queues.updateQueue({ queue: { name: "default" }, updateMask }))).toMatchObject(
      bad("update_mask.paths"),
    );
  });

  test("of WatchQueues name every bad field", async () => {
    for (const ms of [99, 60_001, -1]) {
      const stream = queues.watchQueues({ names: ["No", "default"], minInterval: durationFromMs(ms) });
      expect(await refusal(reading(stream).rest())).toMatchObject(bad("names[0]", "min_interval"));
    }
  });
});

describe("a queue", () => {
  const settings = {
    ...{ ordering: 9 as QueueOrdering, weight: 1001, maxConcurrency: -1, maxDepth: 1_000_000_001 },
    maxConcurrencyPerKey: 1_000_001,
    ...{ completedTtl: durationFromMs(-1), maxCompleted: -1, deadTtl: durationFromMs(0), maxDead: 0 },
  };
  const limits = ["ordering", "weight", "max_concurrency", "max_concurrency_per_key", "max_depth"];
  const fields = [...limits, "completed_ttl", "max_completed", "dead_ttl", "max_dead"];

  test("is not created with bad settings; every one is named", async () => {
    const seen = await refusal(queues.createQueue({ name: "No", settings }));
    expect(seen.fields.toSorted()).toEqual(["name", ...fields.map((field) => `settings.${field}`)].sort());
  });

  test("is not given bad settings; every one is named", async () => {
    const seen = await refusal(queues.updateQueue({ queue: { name: "No", settings }, updateMask: { paths: [] } }));
    expect(seen.fields.toSorted()).toEqual(["queue.name", ...fields.map((field) => `queue.settings.${field}`)].sort());
  });

  test("is not given a bad rate; every part is named", async () => {
    const rateLimit = { count: -1, period: durationFromMs(0), burst: -1 };
    const parts = ["count", "period", "burst"].map((part) => `settings.rate_limit.${part}`);
    expect(await refusal(queues.createQueue({ name: "q", settings: { rateLimit } }))).toMatchObject(bad(...parts));
    const empty = { queue: { name: "q", settings: { rateLimit: {} } } };
    const missing = parts.slice(0, 2).map((part) => `queue.${part}`);
    expect(await refusal(queues.updateQueue(empty))).toMatchObject(bad(...missing));
  });

  test("is not given bad defaults of its jobs", async () => {
    const defaultBackoff = { multiplier: 0.5, delays: [durationFromMs(-1)] };
    const defaultTtl = durationFromMs(0);
    const settings = { defaultMaxRetries: 101, defaultTimeout: durationFromMs(-1), defaultBackoff, defaultTtl };
    expect(await refusal(queues.createQueue({ name: "q", settings }))).toMatchObject(
      bad(
        ...["settings.default_max_retries", "settings.default_backoff.multiplier"],
        ...["settings.default_backoff.delays[0]", "settings.default_backoff.multiplier", "settings.default_timeout"],
        "settings.default_ttl",
      ),
    );
  });

  test("is not changed without being named", async () => {
    expect(await refusal(queues.updateQueue({}))).toMatchObject(bad("queue.name"));
  });

  test.each(["getQueue", "deleteQueue", "pauseQueue", "resumeQueue", "purgeQueue"] as const)(
    "is not looked for by %s under what is no name",
    async (method) => {
      for (const name of ["", "No"]) expect(await refusal(queues[method]({ name }))).toMatchObject(bad("name"));
    },
  );
});
