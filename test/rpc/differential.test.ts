import { request } from "node:http";
import { gunzipSync, gzipSync } from "node:zlib";
import {
  create,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  BatchCreateJobsRequestSchema,
  BatchGetJobsRequestSchema,
  CreateJobRequestSchema,
  JobService,
} from "../../gen/gotaskq/v1/job_service_pb.js";
import { payload } from "../support/rpc.js";
import { runs } from "../support/runs.js";
import { signal } from "../support/signal.js";
import { type Outcome, openTwoPaths, type Probe, type TwoPaths } from "../support/two-paths.js";
import { eventually, within } from "../support/wait.js";
import { envelope, envelopes } from "../support/wire.js";

// Sends the same requests, good and bad, to the fast path and to connect's own handlers: the answers must be equal.

/** How many random requests are compared. */
const REQUESTS = runs(1000);

let paths: TwoPaths;

beforeAll(async () => {
  paths = await openTwoPaths();
});

afterAll(() => paths.close());

/** Ids differ, but not in their length. Compressed bytes are not compared, what was compressed is. */
function plain({ body, headers }: Outcome): string {
  const isGzip = headers["content-encoding"] === "gzip" && body.length > 0;
  const bytes = isGzip ? gunzipSync(body) : (frames(body) ?? body);
  return bytes.toString("latin1").replace(/\d{15,20}/g, (id) => "0".repeat(id.length));
}

/** Returns a body of envelopes with all of them decompressed; undefined when it is not one. */
function frames(body: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    if (at + 5 > body.length) return undefined;
    const [flags = 0, end] = [body[at], at + 5 + body.readUInt32BE(at + 1)];
    if (end > body.length) return undefined;
    const data = body.subarray(at + 5, end);
    parts.push(Buffer.of(flags), (flags & 1) === 1 ? gunzipSync(data) : data);
    at = end;
  }
  return Buffer.concat(parts);
}

/** The code of a call that failed; undefined of one that did not, or was no call. */
function codeOf(outcome: Outcome): string | undefined {
  const { status, headers, trailers } = outcome;
  const type = String(headers["content-type"] ?? "");
  const text = plain(outcome);
  const grpc = trailers["grpc-status"] ?? headers["grpc-status"] ?? /grpc-status: (\d+)/.exec(text)?.[1];
  if (grpc !== undefined) return grpc === "0" ? undefined : String(grpc);
  if (type.startsWith("application/connect+")) return /"error":\{"code":"(\w+)"/.exec(text)?.[1];
  return status >= 400 && type === "application/json" ? JSON.parse(text).code : undefined;
}

const NO_OUTCOME: Outcome = { status: 0, headers: {}, trailers: {}, body: Buffer.of(), reset: 0 };

/** Codes for requests that cannot be read: which one it is depends on what is looked at first. */
const UNREADABLE = new Set([
  "3",
  "8",
  "12",
  "13",
  "invalid_argument",
  "resource_exhausted",
  "unimplemented",
  "internal",
]);

/**
 * What must be equal: all of an answer, the code of a refusal. Of requests that cannot be read the fast path knows more than
 * connect does; Connect's conformance suite says which codes they have.
 */
function seen(outcome: Outcome): unknown {
  const code = codeOf(outcome);
  if (code === undefined) return { ...outcome, body: plain(outcome) };
  return UNREADABLE.has(code) ? "unreadable" : { status: outcome.status, code };
}

async function compare(probe: Probe): Promise<Outcome> {
  const { fast, stock } = paths;
  const [before, beforeStock] = [fast.heard.length, stock.heard.length];
  const expected = await stock.send(probe);
  const given = await fast.send(probe);
  // Connect reads on as if the bytes of a wrongly typed field were of the right type.
  const isMistyped = JSON.stringify({ ...given, body: plain(given) }).includes("of another type on the wire");
  expect(seen(given)).toEqual(isMistyped ? "unreadable" : seen(expected));
  // Connect counts no call that it cannot read.
  const isRefused = codeOf(given) !== undefined;
  if (probe.leaveAfter === undefined && !isRefused) {
    expect(fast.heard.slice(before)).toEqual(stock.heard.slice(beforeStock));
  }
  expect(fast.log).toEqual(stock.log);
  return given;
}

const CONTENT_TYPES = [
  "application/json",
  "application/proto",
  "application/connect+json",
  "application/connect+proto",
  "application/grpc",
  "application/grpc+proto",
  "application/grpc+json",
  "application/grpc-web",
  "application/grpc-web+proto",
  "application/grpc-web+json",
];

const contentType = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...CONTENT_TYPES) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["application/json; charset=utf-8", "application/json;charset=utf8", "Application/JSON", "application/xml"],
      ...["application/grpc-web-text", "application/connect+xml", "text/plain", "application/protobuf", ""],
    ),
  },
);

/** Generates mostly the usual value. */
function rarely<T>(usual: T, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 4, arbitrary: fc.constantFrom(...others) });
}

const timeout = rarely(undefined, ...["1000", "1000m", "5S", "1H", "-1", "1e3", "99999999999", "x", "", "900000u"]);

const encoding = rarely(undefined, "gzip", "identity", "br", "GZIP", "");

const accepted = rarely(undefined, "gzip", "gzip, deflate, br", "br", "identity", "");

const createRequests = fc.record(
  {
    queue: fc.constantFrom("", "default", "no-such-queue", "Bad Queue!"),
    type: fc.constantFrom("echo", "echo", "echo", "", "x".repeat(200), "\u00e9\u{1f600}"),
    priority: fc.constantFrom(0, 3, 99, -1),
    payloadKind: fc.constantFrom(
      payload({ text: "hello", list: [1, 2.5, null, { deep: true }] }),
      payload("x".repeat(3000)),
      { case: "payloadBytes" as const, value: new Uint8Array([0, 255, 1]) },
      { case: "payloadJson" as const, value: ' {"id": 12345678901234567890,\n"a\\":":[1.50]}' },
      { case: "payloadJson" as const, value: '{"a":1,"a":2}' },
    ),
    payloadFormat: fc.constantFrom(0, 1, 2, 2, 7),
    metadata: fc.constantFrom({ a: "1" }, { "": "" }),
    maxRetries: fc.constantFrom(0, 5, 1000),
  },
  { requiredKeys: ["type"] },
);

/** A message as JSON text and in binary. */
interface Encodings {
  readonly json: Uint8Array;
  readonly binary: Uint8Array;
}

const both = (bytes: Uint8Array): Encodings => ({ json: bytes, binary: bytes });

function encodingsOf<D extends DescMessage>(desc: D, message: MessageShape<D>): Encodings {
  return { json: Buffer.from(toJsonString(desc, message)), binary: toBinary(desc, message) };
}

function byId(id: string): Encodings {
  const { input } = JobService.method.getJob;
  return encodingsOf(input, create(input, { id }));
}

const messages: fc.Arbitrary<Encodings> = fc.oneof(
  fc
    .constant(create(CreateJobRequestSchema, { type: "echo", payloadKind: payload({ text: "hello" }) }))
    .map((message) => encodingsOf(CreateJobRequestSchema, message)),
  createRequests.map((init) => {
    const message = create(CreateJobRequestSchema, init as MessageInitShape<typeof CreateJobRequestSchema>);
    return encodingsOf(CreateJobRequestSchema, message);
  }),
  fc.constantFrom("1", "abc", "", "123456789012345678901234567890").map(byId),
  fc.array(createRequests, { maxLength: 3 }).map((requests) => {
    const init = { requests, allowPartial: true } as MessageInitShape<typeof BatchCreateJobsRequestSchema>;
    return encodingsOf(BatchCreateJobsRequestSchema, create(BatchCreateJobsRequestSchema, init));
  }),
  fc.array(fc.constantFrom("1", "abc", "2@mail"), { maxLength: 3 }).map((ids) => {
    return encodingsOf(BatchGetJobsRequestSchema, create(BatchGetJobsRequestSchema, { ids }));
  }),
  fc
    .constantFrom(
      ...["", "{}", "null", "[]", "{", '{"type":"echo","nonsense":1}', '{"type":1}', '{"type":"echo","type":"echo"}'],
      ...[
        '{"type":"echo","priority":1e99}',
        '{"type":"echo","payload":NaN}',
        '{"type":"echo","payloadJson":"{\\"a\\":1,\\"b\\":{}}","payloadFormat":"PAYLOAD_FORMAT_TEXT"}',
        '{"type":"echo","payloadJson":"NaN"}',
        '{"type":"\\ud800"}',
        "\u00ef\u00bb\u00bf{}",
      ],
      ...[
        `{"type":"echo","payload":${"[".repeat(60)}${"]".repeat(60)}}`,
        '{"id":"1"}',
        '{"type":"echo","delay":"-1s"}',
      ],
    )
    .map((text) => both(Buffer.from(text, text.charCodeAt(0) === 0xef ? "latin1" : "utf8"))),
  fc.uint8Array({ maxLength: 60 }).map(both),
);

const frame = fc.constantFrom<(data: Uint8Array) => Uint8Array>(
  ...Array.from({ length: 30 }, () => (data: Uint8Array) => envelope(data)),
  (data) => data,
  (data) => envelope(data).subarray(0, 3),
  (data) => envelope(data).subarray(0, -1),
  (data) => Buffer.concat([envelope(data), envelope(data)]),
  (data) => Buffer.concat([envelope(data), Buffer.of(0)]),
  (data) => envelope(gzipSync(data), 1),
  (data) => envelope(data, 1),
  (data) => Buffer.concat([envelope(data), envelope("{}", 2)]),
  () => Buffer.of(0, 255, 255, 255, 255, 1, 2, 3),
  () => Buffer.of(),
);

const path = fc.constantFrom(
  ...[
    ...Array.from({ length: 12 }, () => "CreateJob"),
    "GetJob",
    "ListJobs",
    "BatchCreateJobs",
    "BatchGetJobs",
    "BatchCancelJobs",
    "DeleteJob",
    "CancelJob",
    "RunJob",
    "UpdateJob",
  ].map((name) => `/gotaskq.v1.JobService/${name}`),
  "/gotaskq.v1.JobService/GetJob?connect=v1&encoding=json&message=%7B%22id%22%3A%221%22%7D",
  "/gotaskq.v1.JobService/NoSuchMethod",
  "/gotaskq.v1.QueueService/GetQueue",
  "/gotaskq.v1.WorkerService/LeaseJobs",
  "/gotaskq.v1.ServerService/ListWorkers",
  "/grpc.health.v1.Health/Check",
  // The stream ends at once with these messages.
  "/gotaskq.v1.JobService/WatchJob",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
);

const probes = fc
  .record({
    ...{ contentType, path, timeout, encoding, accepted, messages, frame },
    method: rarely("POST", "GET", "PUT", "OPTIONS"),
    isHttp2: fc.boolean(),
    isGzipped: fc.boolean(),
    cuts: fc.integer({ min: 1, max: 4 }),
  })
  .map(
    ({ contentType, path, timeout, encoding, accepted, messages, frame, method, isHttp2, isGzipped, cuts }): Probe => {
      const headers: Record<string, string> = {};
      const isGrpc = contentType.includes("grpc");
      const isStream = contentType.includes("connect+");
      const prefix = isGrpc ? "grpc-" : isStream ? "connect-content-" : "content-";
      if (contentType !== "") headers["content-type"] = contentType;
      if (timeout !== undefined) headers[isGrpc ? "grpc-timeout" : "connect-timeout-ms"] = timeout;
      if (encoding !== undefined) headers[`${prefix}encoding`] = encoding;
      if (accepted !== undefined)
        headers[isGrpc ? "grpc-accept-encoding" : isStream ? "connect-accept-encoding" : "accept-encoding"] = accepted;
      const message = contentType.includes("json") ? messages.json : messages.binary;
      const data = encoding === "gzip" && isGzipped && !isGrpc && !isStream ? gzipSync(message) : message;
      const bytes = isGrpc || isStream ? frame(data) : data;
      const step = Math.max(1, Math.ceil(bytes.byteLength / cuts));
      const body = [];
      for (let at = 0; at < bytes.byteLength && method !== "GET"; at += step) body.push(bytes.subarray(at, at + step));
      return { isHttp2, method, path, headers, body };
    },
  );

/** The same message as JSON and in binary, over each protocol that has streams. */
function streamProbes(path: string, json: string, binary: Uint8Array, more: Partial<Probe> = {}): Probe[] {
  const types = CONTENT_TYPES.filter((type) => type !== "application/json" && type !== "application/proto");
  return types.flatMap((type) => {
    const data = type.includes("json") ? Buffer.from(json) : binary;
    const versions = type.startsWith("application/grpc") && !type.includes("web") ? [true] : [true, false];
    return versions.map((isHttp2) => ({
      ...{ isHttp2, method: "POST", path: `/gotaskq.v1.${path}`, body: [envelope(data)] },
      ...more,
      headers: { "content-type": type, ...more.headers },
    }));
  });
}

/** A watch of a job in each protocol. */
function watchProbes(id: string, more: Partial<Probe> = {}): Probe[] {
  return streamProbes("JobService/WatchJob", JSON.stringify({ id }), byId(id).binary, more);
}

async function newJob(init: MessageInitShape<typeof CreateJobRequestSchema> = {}): Promise<string> {
  const { job } = await paths.server.jobs.createJob({ type: "echo", ...init });
  return job?.id ?? "";
}

describe("the fast path answers as connect does", () => {
  test("whatever is sent", async () => {
    const kinds = new Map<string, number>();
    const count = (kind: string) => kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    await fc.assert(
      fc.asyncProperty(probes, async (probe) => {
        const { status, trailers } = await compare(probe);
        count(`${status} ${trailers["grpc-status"] ?? ""}`);
      }),
      { numRuns: REQUESTS },
    );
    // The comparison is worth something only if each kind of answer occurred often.
    const rare = ["200 ", "200 0", "200 3", "400 ", "415 ", "405 "].filter((kind) => (kinds.get(kind) ?? 0) <= 5);
    expect(rare, JSON.stringify([...kinds])).toEqual([]);
  }, 60_000);

  test("for bodies at and over the limit", async () => {
    const path = "/gotaskq.v1.JobService/GetJob";
    const max = 4 * 1024 * 1024;
    for (const isHttp2 of [true, false]) {
      for (const size of [max, max + 1, max + 6]) {
        const json = Buffer.from(`{"id":"${"x".repeat(size - 9)}"}`);
        for (const type of ["application/json", "application/grpc-web+json"]) {
          const body = [type === "application/json" ? json : envelope(json)];
          await compare({ isHttp2, method: "POST", path, headers: { "content-type": type }, body });
        }
      }
      const bomb = gzipSync(Buffer.alloc(max + 1));
      const headers = { "content-type": "application/json", "content-encoding": "gzip" };
      await compare({ isHttp2, method: "POST", path, headers, body: [bomb] });
    }
  });

  test("for a large job, compressed where the client accepts that", async () => {
    const id = await newJob({ payloadKind: payload("x".repeat(20_000)) });
    const accept = { "accept-encoding": "gzip", "grpc-accept-encoding": "gzip", "connect-accept-encoding": "gzip" };
    for (const probe of watchProbes(id, { headers: accept, leaveAfter: 2 })) await compare(probe);
    await noWatches();
    const { json } = byId(id);
    for (const isHttp2 of [true, false]) {
      const headers = { "content-type": "application/json", ...accept };
      await compare({ isHttp2, method: "POST", path: "/gotaskq.v1.JobService/GetJob", headers, body: [json] });
    }
  });

  test("for streams that end by themselves", async () => {
    const id = await newJob();
    await paths.server.jobs.cancelJob({ id });
    for (const probe of watchProbes(id)) expect((await compare(probe)).body.length).toBeGreaterThan(0);
  });

  test("for streams that are refused", async () => {
    for (const id of ["1", "", "abc"]) for (const probe of watchProbes(id)) await compare(probe);
    const bad = JobService.method.watchJobs.input;
    const message = create(bad, { queues: ["no-such-queue"], types: ["x".repeat(3000)], cursor: "abc" });
    const probes = streamProbes("JobService/WatchJobs", toJsonString(bad, message), toBinary(bad, message));
    for (const probe of probes) await compare(probe);
  });

  test("for streams whose deadline passes", async () => {
    const id = await newJob();
    for (const ms of [0, 30]) {
      const headers = { "connect-timeout-ms": String(ms), "grpc-timeout": `${ms}m` };
      await Promise.all(watchProbes(id, { headers }).map((probe) => compareAlone(probe)));
    }
  });

  test("for streams whose readers leave", async () => {
    const id = await newJob();
    const before = [paths.fast.heard.length, paths.stock.heard.length];
    for (const probe of watchProbes(id, { leaveAfter: 1 })) {
      await compare(probe);
      await noWatches();
    }
    expect(paths.fast.heard.slice(before[0])).toEqual(paths.stock.heard.slice(before[1]));
    expect(paths.fast.heard.at(-1)).toBe("gotaskq.v1.JobService/WatchJob canceled");
  });

  test("for one stream more than the server may have", async () => {
    const full = await openTwoPaths(0);
    const id = (await full.server.jobs.createJob({ type: "echo" })).job?.id ?? "";
    for (const probe of watchProbes(id)) {
      const [given, expected] = [await full.fast.send(probe), await full.stock.send(probe)];
      // Connect reads on as if the bytes of a wrongly typed field were of the right type.
      const isMistyped = JSON.stringify({ ...given, body: plain(given) }).includes("of another type on the wire");
      expect(seen(given)).toEqual(isMistyped ? "unreadable" : seen(expected));
    }
    expect(full.fast.heard).toEqual(full.stock.heard);
    await full.close();
  });

  test("for everything that happens to a job, to readers who come and go", async () => {
    const id = await newJob({ type: "observed" });
    const watching = watchProbes(id).flatMap((probe) => [paths.fast.send(probe), paths.stock.send(probe)]);
    await eventually(async () => (openWatches() === watching.length ? true : undefined), "all watches");
    const [lease] = (
      await paths.server.workers.leaseJobs({ worker: "w", queues: ["default"], types: ["observed"], maxJobs: 1 })
    ).leases;
    expect(lease?.job?.id).toBe(id);
    const ref = { jobId: id, leaseToken: lease?.leaseToken ?? "" };
    for (const percent of [10, 20]) {
      await paths.server.workers.extendLeases({ extensions: [{ ...ref, progress: { percent, message: "on it" } }] });
    }
    await paths.server.workers.completeJobs({ completions: [{ ...ref, resultKind: { case: undefined } }] });
    const outcomes = await Promise.all(watching);
    for (let at = 0; at < outcomes.length; at += 2) {
      expect(seen(outcomes[at] ?? NO_OUTCOME)).toEqual(seen(outcomes[at + 1] ?? NO_OUTCOME));
    }
  });

  test("for a reader who stops for a while, who gets a bounded part of what happens, and the end", async () => {
    const changes = 150;
    const id = await newJob({ type: "slow", payloadKind: payload("x".repeat(200_000)) });
    const { workers } = paths.server;
    const lease = (await workers.leaseJobs({ worker: "w", queues: ["default"], types: ["slow"], maxJobs: 1 }))
      .leases[0];
    const ref = { jobId: id, leaseToken: lease?.leaseToken ?? "" };
    const readers = [slowReader(paths.fast.url, id), slowReader(paths.stock.url, id)];
    await within(Promise.all(readers.map(({ isOpen }) => isOpen)), "the first messages");
    for (let percent = 1; percent <= changes; percent++) {
      await workers.extendLeases({ extensions: [{ ...ref, progress: { percent: percent / 2, message: "" } }] });
    }
    await workers.completeJobs({ completions: [{ ...ref, resultKind: { case: undefined } }] });
    for (const { goOn } of readers) goOn();
    const [fast = [], stock = []] = await within(Promise.all(readers.map(({ messages }) => messages)), "the rest");
    for (const messages of [fast, stock]) {
      expect(messages.length).toBeLessThan(changes);
      expect(messages.at(-2)).toContain('"status":"JOB_STATUS_DONE"');
    }
    expect(fast.slice(0, 2)).toEqual(stock.slice(0, 2));
    expect(fast.slice(-2)).toEqual(stock.slice(-2));
  });
});

/** A client that reads the first part of its answer, and the rest only when it is told to. */
function slowReader(url: string, id: string) {
  const headers = { "content-type": "application/connect+json" };
  const isOpen = signal();
  const goOn = signal();
  const body = new Promise<Buffer>((resolve, reject) => {
    const sent = request(
      `${url}/gotaskq.v1.JobService/WatchJob`,
      { method: "POST", headers, agent: false },
      (answer) => {
        const parts: Buffer[] = [];
        answer.once("data", () => {
          answer.pause();
          isOpen.fire();
          void goOn.fired.then(() => answer.resume());
        });
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.on("end", () => resolve(Buffer.concat(parts)));
        answer.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end(envelope(JSON.stringify({ id })));
  });
  return {
    isOpen: isOpen.fired,
    goOn: goOn.fire,
    messages: body.then((bytes) => envelopes(bytes).map(({ data }) => String(data))),
  };
}

/** Returns the number of watches open on both paths. */
function openWatches(): number {
  const changes = [...paths.fast.heard, ...paths.stock.heard].filter((line) => / -?1$/.test(line));
  return changes.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function noWatches(): Promise<void> {
  await eventually(async () => (openWatches() === 0 ? true : undefined), "the end of the streams");
}

/** Like `compare`, for probes that are sent at the same time: what is counted and logged is not compared. */
async function compareAlone(probe: Probe): Promise<void> {
  const [given, expected] = await Promise.all([paths.fast.send(probe), paths.stock.send(probe)]);
  // Connect reads on as if the bytes of a wrongly typed field were of the right type.
  const isMistyped = JSON.stringify({ ...given, body: plain(given) }).includes("of another type on the wire");
  expect(seen(given)).toEqual(isMistyped ? "unreadable" : seen(expected));
}
