import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../../src/model/common/limits.js";
import { recordingLogger } from "../../support/logger.js";
import { startRedis, type UsableRedis } from "../../support/redis.js";
import { created, finished, present } from "../../support/rpc.js";
import { startTestServer, type TestEnvironment, type TestServer } from "../../support/server.js";
import { type Answer, http1, http2, type RawRequest } from "../../support/wire.js";

/** What no double keeps: large integers, forms of numbers, white space, escapes, and what looks like the end of the object. */
const PAYLOAD = '{"n": 12345678901234567890, "f":1.50,\t"text":"\\"}],\\\\", "list":[{"payload":1},[]], "é😀":-0e+0}';

/** The members of a job of the original, in its order. */
const MEMBERS = [
  ...["id", "type", "payload", "status", "priority", "delay", "max_retries", "retry_count"],
  ...["created_at", "updated_at", "run_after"],
];

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

type Send = typeof http1;

/** One request as clients of the original send it, and its answer: status and JSON. */
async function call(
  send: Send,
  server: Pick<TestServer, "url">,
  method: string,
  path: string,
  body?: string,
  headers: RawRequest["headers"] = {},
) {
  const answer = await send(server.url, { method, path, headers, ...(body !== undefined && { body }) });
  expect(answer.headers["content-type"]).toBe("application/json");
  return { status: answer.status, json: JSON.parse(String(answer.body)), answer };
}

const headersOf = ({ headers }: Answer) => headers as Readonly<Record<string, string>>;

const folder = mkdtempSync(join(tmpdir(), "gotaskq-original-"));
let redis: UsableRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ["in memory over HTTP/1.1", http1, () => ({})],
  ["in a file over HTTP/2", http2, () => ({ DATA_DIR: folder })],
  ["on Redis over HTTP/1.1", http1, () => ({ USE_REDIS: "true", REDIS_URL: redis.url })],
] as const)("the original's API %s", (_, send, env) => {
  let server: TestServer;
  const ask = (method: string, path: string, body?: string) => call(send, server, method, path, body);

  beforeAll(async () => {
    server = await startTestServer(env() as TestEnvironment);
  });
  // Before its folder goes.
  afterAll(() => server.stop());

  test("creates a job with 201, and tells it as the original does, its payload to the letter", async () => {
    const body = `{"type":"nobody", "payload" : ${PAYLOAD} ,"priority":5,"delay":0,"max_retries":7}`;
    const { status, json, answer } = await ask("POST", "/jobs", body);
    expect(status).toBe(201);
    expect(Object.keys(json)).toEqual(MEMBERS);
    const told = { type: "nobody", status: "PENDING", priority: 5, delay: 0, max_retries: 7, retry_count: 0 };
    expect(json).toMatchObject({ id: expect.stringMatching(/^\d+$/), ...told });
    for (const time of ["created_at", "updated_at", "run_after"]) expect(json[time]).toMatch(RFC3339);
    expect(String(answer.body)).toContain(`"payload":${PAYLOAD},"status"`);
    const read = await ask("GET", `/jobs/${json.id}`);
    expect([read.status, String(read.answer.body)]).toEqual([200, String(answer.body)]);
  });

  test("has a delay in seconds, and the defaults of the server", async () => {
    const { json } = await ask("POST", "/jobs", '{"type":"nobody","delay":60}');
    expect(json).toMatchObject({ payload: null, priority: 0, max_retries: 5, delay: 0 });
    expect(Date.parse(json.run_after) - Date.parse(json.created_at)).toBe(60_000);
    expect((await ask("POST", "/jobs", '{"type":"nobody","max_retries":0}')).json.max_retries).toBe(0);
  });

  test("creates queues, lists their names, and puts jobs into them", async () => {
    expect(await ask("POST", "/queue/Mail")).toMatchObject({ status: 201, json: "Success creating new queue" });
    await ask("POST", "/queue/b-1");
    expect(await ask("GET", "/queue")).toMatchObject({ status: 200, json: ["b-1", "default", "mail"] });
    const { status, json } = await ask("POST", "/mail/jobs", '{"type":"nobody","payload":1}');
    expect([status, json.id]).toEqual([201, expect.stringMatching(/^\d+@mail$/)]);
    for (const id of [json.id, encodeURIComponent(json.id)]) {
      expect(await ask("GET", `/jobs/${id}`)).toMatchObject({ status: 200, json: { id: json.id, payload: 1 } });
    }
    expect(await ask("POST", "/queue/mail")).toMatchObject({
      status: 409,
      json: { error: "failed to register new queue:queue already exists" },
    });
    expect(await ask("POST", "/none/jobs", '{"type":"nobody"}')).toMatchObject({
      status: 404,
      json: { error: "can't get queue with this name" },
    });
  });

  test("lists dead jobs, the last one first, replays and deletes them", async () => {
    const ids: string[] = [];
    for (const payload of ['{"a":1.0}', "2"]) {
      const { json } = await ask("POST", "/jobs", `{"type":"fail","max_retries":0,"payload":${payload}}`);
      ids.unshift(json.id);
      await finished(server, json.id);
    }
    const list = await ask("GET", "/dlq");
    expect(list.json.map(({ id }: { id: string }) => id)).toEqual(ids);
    const DEAD = { status: "DEAD", retry_count: 0, error: "failed as asked" };
    expect([list.status, list.json[1]]).toEqual([200, expect.objectContaining(DEAD)]);
    expect(String(list.answer.body)).toContain('"payload":{"a":1.0},');

    const replayed = await ask("POST", `/dlq/${ids[1]}/replay`);
    expect(replayed).toMatchObject({ status: 200, json: { id: ids[1], status: "PENDING", retry_count: 0 } });
    expect(await ask("DELETE", `/dlq/${ids[0]}`)).toMatchObject({
      status: 200,
      json: { message: "dead job deleted successfully" },
    });
    const nobody = await created(server, { type: "nobody" });
    for (const id of [ids[0], nobody, "1", "1@none", "x", "%"]) {
      for (const [method, path] of [
        ["DELETE", `/dlq/${id}`],
        ["POST", `/dlq/${id}/replay`],
      ] as const) {
        expect(await ask(method, path)).toMatchObject({ status: 404, json: { error: "dead job not found" } });
      }
    }
    await finished(server, present(ids[1]));
    expect((await ask("GET", "/dlq")).json).toHaveLength(1);
  });
});

describe("the original's API", () => {
  let server: TestServer;
  const log = recordingLogger();
  const ask = (method: string, path: string, body?: string, headers = {}) =>
    call(http1, server, method, path, body, headers);

  beforeAll(async () => {
    server = await startTestServer({ CORS_ORIGINS: "https://app.example" }, { logger: log });
  });

  const NO_JSON = /^invalid json/;
  const NO_JOB = /^can't get job with this id$/;
  test.each([
    ["POST", "/jobs", "invalid json", 400, NO_JSON],
    ["POST", "/jobs", "", 400, NO_JSON],
    ["POST", "/jobs", "[]", 400, NO_JSON],
    ["POST", "/jobs", '{"type":"x"', 400, NO_JSON],
    ["POST", "/jobs", '{"priority":5}', 400, /^type is required$/],
    ["POST", "/jobs", '{"type":"email","priority":15}', 400, /^priority must be between 0 and 10$/],
    ["POST", "/jobs", '{"priority":-1}', 400, /^type is required; priority must be between 0 and 10$/],
    ["POST", "/jobs", '{"type":"x","delay":1.5}', 400, /^delay: must be a whole number of seconds, up to 1 year$/],
    ["POST", "/jobs", '{"type":"x","delay":1e300}', 400, /^delay: must be a whole number of seconds, up to 1 year$/],
    ["POST", "/jobs", '{"type":"x","delay":31622401}', 400, /^delay: must be from 0 ms to 1 year/],
    ["POST", "/jobs", '{"type":"x","delay":"1s"}', 400, /^delay: /],
    ["POST", "/jobs", '{"type":"x","delay":-1}', 400, /^delay: must be from 0 ms/],
    ["POST", "/jobs", '{"type":"x","max_retries":101}', 400, /^max_retries: must be a whole number from 0 to 100/],
    ["POST", "/jobs", '{"type":"x","payload":{"a":1,"a":2}}', 400, /^payload: has the name "a" twice/],
    ["POST", "/jobs", `{"type":"x","payload":"${"a".repeat(LIMITS.payloadBytes)}"}`, 400, /^payload: /],
    ["POST", "/jobs", `{"type":"${"a".repeat(LIMITS.messageBytes)}"}`, 413, /^a message may have at most/],
    ["GET", "/jobs/nonexistent", undefined, 400, NO_JOB],
    ["GET", "/jobs/1", undefined, 400, NO_JOB],
    ["GET", "/jobs/1@none", undefined, 400, NO_JOB],
    ["GET", "/jobs", undefined, 405, /^use POST$/],
    ["PATCH", "/jobs/1", undefined, 405, /^use GET$/],
    ["POST", "/queue/a%20b", undefined, 400, /^name: must have 1 to 64 characters/],
    ["POST", "/A/jobs", '{"type":"x"}', 400, /^queue: must have 1 to 64 characters/],
    ["GET", "/dlq?page_size=many", undefined, 400, /^page_size: /],
    ["GET", "/dlq?page_token=x", undefined, 400, /^page_token: /],
    ["GET", "/dlq?queue=none", undefined, 404, /^queue "none" does not exist$/],
  ] as const)("%s %s is refused with the words of the original, or clear ones", async (...given) => {
    const [method, path, body, status, error] = given;
    const answer = await ask(method, path, body);
    expect([answer.status, answer.json]).toEqual([status, { error: expect.stringMatching(error) }]);
  });

  test("takes what the original's decoder of JSON takes", async () => {
    const body =
      '{"TYPE":"x","type":"nobody","Payload":[1],"Max_Retries":2,"priority":null,"delay":null,"queue":"other"}';
    const { status, json } = await ask("POST", "/jobs", body, { "content-type": "application/x-www-form-urlencoded" });
    expect([status, json]).toMatchObject([201, { type: "nobody", payload: [1], max_retries: 2, priority: 0 }]);
    expect((await ask("POST", "/jobs", '{"type":"nobody","payload":null}')).json.payload).toBeNull();
    const again = await ask("POST", "/jobs", '{"type":"a","TYPE":"b","__proto__":{"priority":3},"type":"nobody"}');
    expect([again.status, again.json]).toMatchObject([201, { type: "nobody", priority: 0 }]);
    expect((await ask("POST", "/jobs", '{"__proto__":{"type":"nobody"}}')).status).toBe(400);
  });

  test("tells payloads that are bytes as base64", async () => {
    const payloadKind = { case: "payloadBytes", value: new Uint8Array([1, 2, 255]) } as const;
    const id = await created(server, { type: "nobody", payloadKind });
    expect((await ask("GET", `/jobs/${id}`)).json).toMatchObject({ payload: null, payload_bytes: "AQL/" });
  });

  test.each([17_000, LIMITS.payloadBytes])("keeps a payload of %i bytes to the letter", async (size) => {
    const text = `["${"a".repeat(size - 9)}", 1.0]`;
    const { status, answer } = await ask("POST", "/jobs", `{"type":"nobody","payload":${text}}`);
    expect([status, String(answer.body).includes(`"payload":${text},`)]).toEqual([201, true]);
  });

  test("tells where the rest of a long list of dead jobs is", async () => {
    for (let left = 3; left > 0; left--) {
      await finished(server, await created(server, { type: "fail", maxRetries: 0 }));
    }
    const seen: string[] = [];
    for (let path: string | undefined = "/dlq?type=fail&page_size=2"; path !== undefined; ) {
      const { json, answer }: Awaited<ReturnType<typeof ask>> = await ask("GET", path);
      seen.push(...json.map(({ id }: { id: string }) => id));
      const link = /^<([^>]+)>; rel="next"$/.exec(headersOf(answer).link ?? "")?.[1];
      if (link !== undefined) expect(link).toContain("?type=fail&page_size=2&page_token=");
      path = link && `/dlq${link}`;
    }
    expect(new Set(seen).size).toBe(3);
  });

  test("is logged, counted and traced as calls of RPCs are", async () => {
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const { json, answer } = await ask("POST", "/jobs", '{"type":"nobody"}', { traceparent, "x-request-id": "mine" });
    expect(headersOf(answer)["x-request-id"]).toBe("mine");
    expect((await server.jobs.getJob({ id: json.id })).job?.traceContext?.traceparent).toBe(traceparent);
    expect(log.lines).toContainEqual({
      level: "debug",
      fields: expect.objectContaining({
        ...{ method: "gotaskq.v1.JobService/CreateJob", protocol: "http", request_id: "mine", code: "ok" },
      }),
      message: "an RPC ended",
    });
    expect(await server.metrics()).toContain(
      'gotaskq_rpc_duration_seconds_count{method="gotaskq.v1.JobService/CreateJob",code="ok"}',
    );
  });

  test("is none of an RPC whose method does not exist", async () => {
    const { status, json } = await ask("POST", "/gotaskq.v1.JobService/jobs", "{}");
    expect([status, json.code]).toEqual([501, "unimplemented"]);
  });

  describe.each([
    ["HTTP/1.1", http1],
    ["HTTP/2", http2],
  ] as const)("over %s", (_, send) => {
    test("has no answer for the pages of other sites, in its own form", async () => {
      const page = { origin: "https://evil.example" };
      for (const headers of [page, { ...page, "content-type": "application/json" }]) {
        const { status, json } = await call(send, server, "POST", "/jobs", '{"type":"x"}', headers);
        expect([status, json]).toEqual([403, { error: expect.stringContaining("CORS_ORIGINS") }]);
      }
      expect((await call(send, server, "DELETE", "/dlq/1", undefined, page)).status).toBe(403);
      const host = send === http1 ? { host: "evil.example" } : { ":authority": "evil.example" };
      const { status, json } = await call(send, server, "GET", "/queue", undefined, host);
      expect([status, json]).toEqual([403, { error: expect.stringContaining("ALLOWED_HOSTS") }]);
    });

    test("takes from pages only what browsers ask for first", async () => {
      const origin = "https://app.example";
      const post = (headers: object) =>
        call(send, server, "POST", "/jobs", '{"type":"nobody"}', headers as RawRequest["headers"]);
      for (const headers of [
        { origin },
        { origin, "content-type": "text/plain" },
        { "sec-fetch-site": "cross-site" },
      ]) {
        expect((await post(headers)).status).toBe(415);
      }
      const { status, answer } = await post({ origin, "content-type": "application/json; charset=utf-8" });
      expect([status, headersOf(answer)["access-control-allow-origin"]]).toEqual([201, origin]);
      const asked = { origin, "access-control-request-method": "DELETE" };
      const preflight = await send(server.url, { method: "OPTIONS", path: "/dlq/1", headers: asked });
      expect([preflight.status, headersOf(preflight)["access-control-allow-methods"]]).toEqual([
        204,
        "POST, GET, DELETE",
      ]);
    });
  });
});

test("asks for the rights of the RPCs that it calls, within the queues of the token", async () => {
  const token = (name: string) => `token-of-${name}-0123456789`;
  const server = await startTestServer({
    NUM_WORKERS: "0",
    QUEUES: "mail,other",
    AUTH_TOKENS: [
      `name=reader token=${token("reader")} scopes=read`,
      `name=producer token=${token("producer")} scopes=produce queues=mail`,
    ].join(";"),
  });
  const as = (name: string, method: string, path: string, body?: string) =>
    call(http1, server, method, path, body, { authorization: `Bearer ${token(name)}` });
  const stranger = await call(http1, server, "POST", "/jobs", '{"type":"x"}');
  expect([stranger.status, stranger.json, headersOf(stranger.answer)["www-authenticate"]]).toEqual([
    ...[401, { error: expect.stringContaining("asks for a token") }, "Bearer"],
  ]);
  const { status, json } = await as("producer", "POST", "/mail/jobs", '{"type":"x","payload":1}');
  expect([status, json]).toMatchObject([201, { payload: 1 }]);
  expect((await as("producer", "POST", "/jobs", '{"type":"x"}')).status).toBe(403);
  expect((await as("producer", "GET", `/jobs/${json.id}`)).status).toBe(403);
  expect((await as("reader", "GET", `/jobs/${json.id}`)).status).toBe(200);
  expect((await as("reader", "GET", "/queue")).json).toEqual(["default", "mail", "other"]);
  for (const [method, path] of [
    ["POST", "/queue/new"],
    ["DELETE", "/dlq/1"],
  ] as const) {
    expect(await as("reader", method, path)).toMatchObject({
      status: 403,
      json: { error: 'the token "reader" lacks the scope "admin"' },
    });
  }
});

test("tells that the server shuts down, and when to come back", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  await server.engine.stop(0);
  const { status, json, answer } = await call(http1, server, "POST", "/jobs", '{"type":"x"}');
  expect([status, json]).toEqual([503, { error: "this server is shutting down" }]);
  expect(headersOf(answer)["retry-after"]).toBe("1");
});
