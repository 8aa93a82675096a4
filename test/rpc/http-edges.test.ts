import { beforeAll, describe, expect, test } from "vitest";
import { PROTOCOLS, type Protocol } from "../support/protocols.js";
import { created, toRefusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { type Answer, http1, http2 } from "../support/wire.js";

const VERSIONS = [
  { name: "HTTP/1.1", send: http1 },
  { name: "HTTP/2", send: http2 },
];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

/** The error of an answer; one that comes before any message may be in the headers of gRPC-Web. */
function codeOf(protocol: Protocol, answer: Answer): string | undefined {
  const isInHeaders = answer.headers["grpc-status"] !== undefined;
  const grpc = PROTOCOLS.find(({ name }) => name === "gRPC in binary") ?? protocol;
  const error = (isInHeaders ? grpc : protocol).errorOf(answer);
  return error && toRefusal(error).code;
}

const path = (method: string) => `/gotaskq.v1.${method}`;

describe.each(VERSIONS)("another method of HTTP over $name", ({ send }) => {
  test.each([
    ["GET", "JobService/CreateJob", "POST"],
    ["PUT", "JobService/CreateJob", "POST"],
    ["DELETE", "JobService/GetJob", "POST, GET"],
    ["OPTIONS", "JobService/GetJob", "POST, GET"],
    ["HEAD", "JobService/WatchJob", "POST"],
  ])("%s is refused on %s, with what is allowed", async (method, rpc, allow) => {
    const { status, headers, body } = await send(server.url, { method, path: path(rpc) });
    expect([status, headers.allow]).toEqual([405, allow]);
    expect(String(body)).toBe(method === "HEAD" ? "" : `use ${allow.replace(", ", " or ")}\n`);
  });
});

describe.each(VERSIONS)("another type of content over $name", ({ send }) => {
  test.each([
    ["JobService/CreateJob", "application/json"],
    ["JobService/WatchJob", "application/connect+json"],
  ])("is refused on %s, with one that is taken", async (rpc, type) => {
    const form = { "content-type": "application/x-www-form-urlencoded" };
    for (const headers of [form, {}]) {
      const { status, body } = await send(server.url, { path: path(rpc), headers, body: "{}" });
      expect([status, String(body)]).toEqual([415, expect.stringContaining(`must be ${type},`)]);
    }
  });
});

describe("a target that is a whole address, as proxies send it,", () => {
  const whole = (target: string) => `${server.url}${target}`;
  const headers = { "content-type": "application/json" };

  test("is an RPC like any other", async () => {
    const request = { path: whole(path("JobService/CreateJob")), headers, body: '{"type":"proxied"}' };
    expect(String((await http1(server.url, request)).body)).toContain('"type":"proxied"');
    const other = await http1(server.url, { ...request, path: request.path.replace("http:", "HTTPS:") });
    expect(String(other.body)).toContain('"type":"proxied"');
  });

  test("is a read by GET like any other", async () => {
    const id = await created(server, { type: "read" });
    const query = new URLSearchParams({ connect: "v1", encoding: "json", message: JSON.stringify({ id }) });
    const answer = await http1(server.url, { method: "GET", path: whole(`${path("JobService/GetJob")}?${query}`) });
    expect(String(answer.body)).toContain(id);
  });

  test.each(["/healthz", "/metrics", "/"])("is a page like any other: %s", async (page) => {
    const [given, plain] = [whole(page), page].map((path) => http1(server.url, { method: "GET", path }));
    const [one, other] = [await given, await plain];
    expect([one?.status, one?.headers["content-type"]]).toEqual([other?.status, other?.headers["content-type"]]);
  });

  test("of a method that is none is refused as such", async () => {
    const answer = await http1(server.url, { path: whole(path("JobService/Nothing")), headers, body: "{}" });
    expect(answer.status).toBe(501);
  });
});

describe.each(PROTOCOLS.filter(({ unary }) => unary))("the content type of $name", (protocol) => {
  test.each([
    ["a parameter", (type: string) => `${type};charset=utf-8`],
    ["blanks and a parameter", (type: string) => `${type} ; charset="utf-8"`],
    ["capitals", (type: string) => type.toUpperCase()],
  ])("may be written with %s", async (_how, write) => {
    const type = write(protocol.contentType);
    const send = (method: string) => {
      const request = {
        path: path(method),
        headers: { "content-type": type },
        body: protocol.frame(protocol.isJson ? "{}" : ""),
      };
      return protocol.send(server.url, request);
    };
    expect(protocol.errorOf(await send("QueueService/ListQueues"))).toBeUndefined();
    const answer = await send("JobService/CreateJob");
    const error = protocol.errorOf(answer);
    expect(error && toRefusal(error)).toMatchObject({ reason: "FIELD_INVALID", fields: ["type"] });
  });

  test("is that of an answer too, when it is refused at once", async () => {
    for (const type of [protocol.contentType, protocol.contentType.toUpperCase(), `${protocol.contentType} ; a=b`]) {
      const request = { path: path("JobService/Nothing"), headers: { "content-type": type }, body: protocol.frame("") };
      expect(codeOf(protocol, await protocol.send(server.url, request))).toBe("UNIMPLEMENTED");
    }
  });
});

describe.each(PROTOCOLS.filter(({ streams }) => streams))("a stream over $name", (protocol) => {
  const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);

  test.each<[string, string, string, Buffer]>([
    ["that ends", "gotaskq.v1.JobService/WatchJob", "id", Buffer.of(0x0a)],
    ["of requests", "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "listServices", Buffer.of(0x3a)],
  ])("%s is not to be kept, gathered or changed by what stands in between", async (_which, rpc, field, tag) => {
    // gRPC needs trailers, and a stream of requests both directions at a time.
    const isHttp2Only = protocol.name.startsWith("gRPC in") || rpc.includes("reflection");
    for (const send of isHttp2Only ? [http2] : [http1, http2]) {
      const id = await created(server, { type: "watched" });
      await server.jobs.cancelJob({ id });
      const { headers } = await send(server.url, {
        path: `/${rpc}`,
        headers: { "content-type": protocol.contentType },
        body: protocol.frame(protocol.isJson ? JSON.stringify({ [field]: id }) : Buffer.concat([tag, text(id)])),
      });
      expect(headers).toMatchObject({ "cache-control": "no-cache, no-transform", "x-accel-buffering": "no" });
    }
  });
});
