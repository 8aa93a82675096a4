import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020, type AnySchemaObject } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { beforeAll, describe, expect, test } from "vitest";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { ORIGINAL_PATHS } from "../../src/rpc/original/paths.js";
import { ROUTES } from "../../src/rpc/original/routes.js";
import { created, finished } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { http1, http2 } from "../support/wire.js";

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: AnySchemaObject; readonly "x-message"?: AnySchemaObject }>>;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, AnySchemaObject>>;
    readonly responses: Readonly<Record<string, { readonly content: Content }>>;
  };
}

const TEXT = readFileSync(new URL("../../gen/openapi.json", import.meta.url), "utf8");
const DOCUMENT = JSON.parse(TEXT) as Document;
const METHODS: readonly DescMethod[] = [
  JobService,
  ...[QueueService, DlqService, ScheduleService, WorkerService, ServerService],
].flatMap(({ methods }) => methods);
const pathOf = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;

/** The document with no room for what it does not name: as nobody would read it, and as a test has to. */
function strict(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(strict);
  if (typeof part !== "object" || part === null) return part;
  const copy = Object.fromEntries(Object.entries(part).map(([name, value]) => [name, strict(value)]));
  const isClosed = "properties" in part && !("additionalProperties" in part) && "type" in part;
  return isClosed ? { ...copy, additionalProperties: false } : copy;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema({ ...(strict(DOCUMENT) as object), $id: "gotaskq" });

/** What a value has that its schema, at this place of the document, does not allow. */
function problems(pointer: string, value: unknown): unknown {
  const validate = ajv.getSchema(`gotaskq#${pointer}`);
  if (validate === undefined) throw new Error(`there is no schema at ${pointer}`);
  return validate(value) ? [] : validate.errors;
}

const inPointer = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");
const schemaOf = (name: string) => `/components/schemas/${name}`;

/** Where the schema of an answer of an operation is. */
function answerSchema(path: string, verb: string, status: number): string {
  const { responses = {} } = DOCUMENT.paths[path]?.[verb] ?? {};
  const name = String(status) in responses ? String(status) : "default";
  const at = responses[name]?.$ref?.slice(1) ?? `/paths/${inPointer(path)}/${verb}/responses/${name}`;
  return `${at}/content/application~1json/schema`;
}

describe("the OpenAPI document", () => {
  test("is one, by a validator that knows version 3.1", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(TEXT));
    expect([valid, errors ?? []]).toEqual([true, []]);
    expect(validator.version).toBe("3.1");
    const refs = new Set([...TEXT.matchAll(/"\$ref": "#([^"]+)"/g)].map(([, pointer]) => String(pointer)));
    for (const pointer of refs) {
      const found = pointer
        .slice(1)
        .split("/")
        .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], DOCUMENT);
      expect(found, pointer).toBeDefined();
    }
  });

  test("has each RPC: a POST, a GET of what only reads, and streams as what they are", () => {
    for (const method of METHODS) {
      const path = pathOf(method);
      const item = DOCUMENT.paths[path] ?? {};
      const isStream = method.methodKind === "server_streaming";
      const isRead = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
      expect(Object.keys(item).sort(), path).toEqual(isRead && !isStream ? ["get", "post"] : ["post"]);
      const type = isStream ? "application/connect+json" : "application/json";
      expect(Object.keys(item.post?.requestBody?.content ?? {}), path).toEqual([type]);
      const told = item.post?.responses["200"]?.content?.[type];
      const message = isStream ? told?.["x-message"] : told?.schema;
      expect(message, path).toEqual({ $ref: `#${schemaOf(method.output.typeName)}` });
      for (const { description = "" } of Object.values(item)) expect(description.length, path).toBeGreaterThan(10);
    }
    const ids = Object.values(DOCUMENT.paths).flatMap((item) => Object.values(item).map((each) => each.operationId));
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("describes each field of each message, by the name that it has in JSON", () => {
    const messages = new Map(
      METHODS.flatMap(({ input, output }) => [input, output]).map((each) => [each.typeName, each]),
    );
    for (const { typeName, fields } of messages.values()) {
      const { properties = {} } = DOCUMENT.components.schemas[typeName] ?? {};
      expect(Object.keys(properties), typeName).toEqual(fields.map(({ jsonName }) => jsonName));
      for (const [name, { description }] of Object.entries(properties as Record<string, AnySchemaObject>)) {
        expect(description, `${typeName}.${name}`).toMatch(/\w/);
      }
    }
  });

  test("has the original's API, with the statuses that it answers", () => {
    const told = ROUTES.map(({ path, verb, status }) => {
      const { responses = {} } = DOCUMENT.paths[path]?.[verb.toLowerCase()] ?? {};
      return Object.keys(responses).includes(String(status));
    });
    expect(told).toEqual(ROUTES.map(() => true));
    expect(new Set(ROUTES.map(({ path }) => path))).toEqual(new Set(ORIGINAL_PATHS));
  });

  test.each([
    ["members of a oneof", { type: "a", delay: "1s", runAfter: "2027-01-31T12:00:00Z" }],
    ["three members of one", { type: "a", payload: 1, payloadBytes: "AA==" }],
    ["a duration that is a number", { type: "a", delay: 5 }],
    ["a time that is none", { type: "a", runAfter: "tomorrow" }],
    ["an enum that does not exist", { type: "a", payloadFormat: "XML" }],
    ["a map of numbers", { type: "a", metadata: { a: 1 } }],
    ["a name that does not exist", { type: "a", maxretries: 1 }],
  ])("does not allow %s", (_, request) => {
    expect(problems(schemaOf("gotaskq.v1.CreateJobRequest"), { type: "a" })).toEqual([]);
    expect(problems(schemaOf("gotaskq.v1.CreateJobRequest"), request)).not.toEqual([]);
  });
});

describe("a server", () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ QUEUES: "mail" });
  });

  test.each([
    ["HTTP/1.1", http1],
    ["HTTP/2", http2],
  ] as const)("serves the document over %s, and answers 304 to who has it", async (_, send) => {
    const get = (headers = {}, method = "GET") => send(server.url, { method, path: "/openapi.json", headers });
    const whole = JSON.stringify(DOCUMENT);
    const { status, headers, body } = await get();
    expect([status, headers["content-type"], String(body) === whole]).toEqual([200, "application/json", true]);
    const tag = String(headers.etag);
    const known = await get({ "if-none-match": tag });
    expect([known.status, known.body.length]).toEqual([304, 0]);
    expect((await get({ "if-none-match": '"old"' })).status).toBe(200);
    const zipped = await get({ "accept-encoding": "gzip" });
    expect(zipped.headers).toMatchObject({ "content-encoding": "gzip", etag: tag, vary: "accept-encoding, origin" });
    expect(String(gunzipSync(zipped.body)) === whole).toBe(true);
    const head = await get({}, "HEAD");
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect((await get({}, "POST")).status).toBe(405);
  });

  test("asks for a token where reflection does", async () => {
    const AUTH_TOKENS = "name=a token=token-of-a-0123456789 scopes=work";
    const statusOf = async (env: Record<string, string>, headers = {}) => {
      const { url } = await startTestServer({ NUM_WORKERS: "0", AUTH_TOKENS, ...env });
      return (await http1(url, { method: "GET", path: "/openapi.json", headers })).status;
    };
    const closed = { AUTH_REFLECTION: "token" };
    const authorization = "Bearer token-of-a-0123456789";
    expect([await statusOf({}), await statusOf(closed), await statusOf(closed, { authorization })]).toEqual([
      200, 401, 200,
    ]);
  });

  test("answers every call as the document says, good or bad", async () => {
    const dead = await created(server, { type: "fail", maxRetries: 0, metadata: { a: "b" } });
    const done = await created(server, { type: "echo", queue: "mail" });
    await Promise.all([finished(server, dead), finished(server, done)]);
    const payloads = [
      { payload: { a: [1, null, "x", true] } },
      ...[{ payloadJson: "[1.0]", payloadFormat: "PAYLOAD_FORMAT_TEXT" }, { payloadBytes: "AAEC" }],
    ];
    const job = {
      type: "nobody",
      delay: "60.5s",
      backoff: { baseDelay: "1s", multiplier: 1.5 },
      timeout: "5s",
      ttl: "3600s",
    };
    const schedule = { name: "s", every: "60s", job: { type: "nobody", payload: 1 } };
    const examples: Readonly<Record<string, readonly object[]>> = {
      CreateJob: payloads.map((given) => ({ ...job, ...given, unique: { key: JSON.stringify(given) }, key: "k" })),
      BatchCreateJobs: [{ requests: [job, { type: "" }], allowPartial: true }, { requests: [job] }],
      GetJob: [{ id: done }, { id: dead }],
      BatchGetJobs: [{ ids: [done, "1"] }],
      CountJobs: [{ filter: { statuses: ["JOB_STATUS_DONE"] } }],
      CreateQueue: [
        { name: "q", settings: { ordering: "QUEUE_ORDERING_FAIR", rateLimit: { count: 5, period: "1s" } } },
      ],
      GetQueue: [{ name: "mail" }],
      UpdateQueue: [{ queue: { name: "mail", settings: { weight: 5 } }, updateMask: "settings.weight" }],
      GetDeadJob: [{ id: dead }],
      CreateSchedule: [{ schedule }, { schedule: { ...schedule, name: "c", every: undefined, cron: "0 5 * * *" } }],
      GetSchedule: [{ name: "s" }],
      TriggerSchedule: [{ name: "s" }],
      PreviewSchedule: [{ schedule }],
      LeaseJobs: [{ worker: { name: "w" }, types: ["nobody"], maxJobs: 2, wait: "0s" }],
      CompleteJobs: [{ completions: [{ jobId: done, leaseToken: "x" }] }],
    };
    const answered: number[] = [];
    for (const method of METHODS) {
      if (method.methodKind !== "unary") continue;
      const path = pathOf(method);
      for (const example of [...(examples[method.name] ?? []), {}, { nope: 1 }]) {
        const body = JSON.stringify(example);
        const headers = { "content-type": "application/json" };
        const answer = await http1(server.url, { path, headers, body });
        answered.push(answer.status);
        const told = `${path} ${body}: ${answer.body}`;
        expect(problems(answerSchema(path, "post", answer.status), JSON.parse(String(answer.body))), told).toEqual([]);
        if (answer.status !== 200) continue;
        expect(problems(schemaOf(method.input.typeName), JSON.parse(body)), body).toEqual([]);
        if (DOCUMENT.paths[path]?.get === undefined) continue;
        const target = `${path}?encoding=json&message=${encodeURIComponent(body)}`;
        expect((await http1(server.url, { method: "GET", path: target })).status, target).toBe(200);
      }
    }
    expect(answered.filter((status) => status === 200).length).toBeGreaterThan(25);
    expect(answered.filter((status) => status === 400).length).toBeGreaterThan(METHODS.length - 10);

    const ask = async (verb: string, template: string, path: string, body?: string) => {
      const answer = await http1(server.url, { method: verb, path, ...(body !== undefined && { body }) });
      const told = `${verb} ${path}: ${answer.body}`;
      const schema = answerSchema(template, verb.toLowerCase(), answer.status);
      expect(problems(schema, JSON.parse(String(answer.body))), told).toEqual([]);
      return answer.status;
    };
    const statuses = [
      await ask("POST", "/jobs", "/jobs", '{"type":"nobody","payload":[1],"delay":5}'),
      await ask("POST", "/jobs", "/jobs", "{}"),
      await ask("POST", "/{queue}/jobs", "/mail/jobs", '{"type":"nobody"}'),
      await ask("GET", "/jobs/{id}", `/jobs/${dead}`),
      await ask("GET", "/jobs/{id}", "/jobs/1"),
      await ask("GET", "/dlq", "/dlq"),
      await ask("POST", "/dlq/{id}/replay", "/dlq/1/replay"),
      await ask("DELETE", "/dlq/{id}", `/dlq/${dead}`),
      await ask("POST", "/queue/{name}", "/queue/new"),
      await ask("POST", "/queue/{name}", "/queue/new"),
      await ask("GET", "/queue", "/queue"),
      await ask("GET", "/readyz", "/readyz"),
      await ask("GET", "/livez", "/livez"),
    ];
    expect(statuses).toEqual([201, 400, 201, 200, 400, 200, 404, 200, 201, 409, 200, 200, 200]);
  });
});
