import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { GetJobRequestSchema, GetJobResponseSchema, JobService } from "../../../../gen/gotaskq/v1/job_service_pb.js";
import { REPEATABLE } from "../../../../src/client/repeatable.js";
import type { Http1Answer } from "../../../../src/client/transport/http1/http1-answer.js";
import { Http1Lane } from "../../../../src/client/transport/http1/http1-lane.js";
import { createNodeTransport, type NodeTransportOptions } from "../../../../src/client/transport/node-transport.js";
import { createAuthority } from "../../../support/certificates.js";
import { startTestServer } from "../../../support/server.js";
import { eventually, within } from "../../../support/wait.js";
import { atEnd, clientOf } from "../../support.js";
import { type Http1Request, startTwoVersionServer, type TwoVersionServer } from "./two-version-server.js";

const OVER_HTTP2 = toBinary(GetJobResponseSchema, create(GetJobResponseSchema, { job: { id: "two" } }));
const OVER_HTTP1 = Buffer.from(toBinary(GetJobResponseSchema, create(GetJobResponseSchema, { job: { id: "one" } })));

const HEAD = `HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: ${OVER_HTTP1.length}\r\n\r\n`;
const GOOD = Buffer.concat([Buffer.from(HEAD), OVER_HTTP1]);

const withBody = (head: string, body: Buffer | string = OVER_HTTP1) =>
  Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]);

const answerWell = ({ socket }: Http1Request) => socket.write(GOOD);

function clientTo(url: string, options?: NodeTransportOptions) {
  const { transport, close } = createNodeTransport(url, options);
  atEnd(close);
  const { getJob } = createClient(JobService, transport);
  return async (options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
    (await within(getJob({ id: "1" }, { contextValues: REPEATABLE, ...options }), "an answer")).job?.id;
}

/** Makes calls, one at a time, until one has gone over HTTP/1.1. Returns how many there were. */
async function callsUntilHttp1(server: TwoVersionServer, get: () => Promise<unknown>): Promise<number> {
  let calls = 0;
  const before = server.http1.length;
  await eventually(async () => {
    await get();
    calls++;
    return server.http1.length > before || undefined;
  }, "a call over HTTP/1.1");
  return calls;
}

describe("calls that are made one at a time", () => {
  test("go over HTTP/1.1 once there are many; those that come meanwhile, and that are not safe to repeat, over HTTP/2", async () => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = answerWell;
    const get = clientTo(server.url);
    expect(await callsUntilHttp1(server, get)).toBeGreaterThanOrEqual(10);
    expect(await get()).toBe("one");
    const [first, ...headers] = (server.http1.at(-1)?.head ?? "").split("\r\n");
    expect(first).toBe("POST /gotaskq.v1.JobService/GetJob HTTP/1.1");
    expect(headers.map((line) => line.replace(/:.*/, "").toLowerCase()).sort()).toEqual([
      "connect-protocol-version",
      "content-length",
      "content-type",
      "host",
      "user-agent",
    ]);
    expect(headers).toContain(`host: ${new URL(server.url).host}`);
    expect(await Promise.all([get(), get(), get()])).toEqual(["one", "two", "two"]);
    expect(await get({ timeoutMs: 5000 })).toBe("one");
    expect(server.http1.at(-1)?.head).toMatch(/^connect-timeout-ms: 5000$/im);
    expect(server.opened).toBe(1);
  });

  test("go over HTTP/2 if nobody says that they are safe to repeat, and if that is asked for", async () => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = answerWell;
    const only2 = clientTo(server.url, { httpVersion: "2" });
    const unsafe = createClient(JobService, createNodeTransportAtEnd(server.url));
    for (let i = 0; i < 30; i++) {
      await only2();
      await unsafe.getJob({ id: "1" });
    }
    expect(server.opened).toBe(0);
    expect(server.http2).toHaveLength(60);
  });

  test.each([
    ["in one piece", [GOOD]],
    ["byte by byte", [...GOOD].map((byte) => Buffer.of(byte))],
    ["with its head apart", [Buffer.from(HEAD), OVER_HTTP1]],
  ])("take an answer that comes %s", async (_how, pieces) => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = async ({ socket }) => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise(setImmediate);
      }
    };
    const get = clientTo(server.url);
    await callsUntilHttp1(server, get);
    expect(await get()).toBe("one");
    expect(server.open.size).toBe(1);
  });

  test.each([
    [
      "of another version",
      withBody(`HTTP/1.0 200 OK\r\ncontent-type: application/proto\r\ncontent-length: ${OVER_HTTP1.length}`),
    ],
    ["of HTTP/2", Buffer.from("000012040000000000000300000064000400100000000600010000000008", "hex")],
    [
      "in chunks",
      withBody("HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
    ],
    ["without a length", withBody("HTTP/1.1 200 OK\r\ncontent-type: application/proto")],
    [
      "with two lengths",
      withBody(
        `HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: ${OVER_HTTP1.length}\r\ncontent-length: 0`,
      ),
    ],
    [
      "with a length that is none",
      withBody("HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: -1"),
    ],
    ["with more than its length", Buffer.concat([GOOD, Buffer.from("x")])],
    [
      "with a header that is none",
      withBody(
        `HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\n folded: x\r\ncontent-length: ${OVER_HTTP1.length}`,
      ),
    ],
    [
      "compressed",
      withBody(
        `HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-encoding: gzip\r\ncontent-length: ${OVER_HTTP1.length}`,
      ),
    ],
    ["of a proxy", withBody("HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 2", "no")],
    ["that asks for another version", withBody("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0", "")],
    ["that leads elsewhere", withBody("HTTP/1.1 301 Moved\r\nlocation: /x\r\ncontent-length: 0", "")],
    ["that is to be continued", withBody("HTTP/1.1 103 Early Hints\r\nlink: x", GOOD)],
    ["without an end", Buffer.alloc(70_000, "HTTP/1.1 200 OK\r\nx: y\r\n")],
  ])("go over HTTP/2 after an answer %s, that one too", async (_which, bytes) => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = ({ socket }) => socket.write(bytes);
    const get = clientTo(server.url);
    await callsUntilHttp1(server, async () => expect(await get()).toBe("two"));
    for (let i = 0; i < 30; i++) expect(await get()).toBe("two");
    expect(server.http1).toHaveLength(1);
    expect(server.opened).toBe(1);
    await eventually(async () => server.open.size === 0 || undefined, "the end of the connection");
  });

  test.each([
    ["closed before the answer", ({ socket }: Http1Request) => void socket.end()],
    ["reset before the answer", ({ socket }: Http1Request) => void socket.resetAndDestroy()],
    ["closed within the answer", ({ socket }: Http1Request) => void socket.end(GOOD.subarray(0, GOOD.length - 1))],
  ])("are made again over HTTP/2 when their connection is %s", async (_how, onHttp1) => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = onHttp1;
    const get = clientTo(server.url);
    await callsUntilHttp1(server, async () => expect(await get()).toBe("two"));
    await eventually(async () => server.open.size === 0 || undefined, "the end of the connection");
    // The first request over HTTP/1.1 came again over HTTP/2, as it was.
    expect(server.http2.at(-1)).toEqual(server.http1[0]?.body);
  });

  test("find a connection that the server closed, or that it says it closes, and open another one later", async () => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    const last = HEAD.replace("\r\n", "\r\nConnection: Keep-Alive, Close\r\n");
    server.onHttp1 = ({ socket }) => socket.write(Buffer.concat([Buffer.from(last), OVER_HTTP1]));
    const get = clientTo(server.url);
    await callsUntilHttp1(server, get);
    await eventually(async () => server.open.size === 0 || undefined, "the end of the connection");
    expect(await get()).toBe("two");
    server.onHttp1 = answerWell;
    await callsUntilHttp1(server, get);
    for (const socket of server.open) socket.end("HTTP/1.1 408 Request Timeout\r\n\r\n");
    await eventually(async () => server.open.size === 0 || undefined, "the end of the connection");
    await callsUntilHttp1(server, get);
    expect(await get()).toBe("one");
    expect(server.opened).toBe(3);
  });

  test("end at their deadline and when they are aborted, which closes the connection", async () => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = answerWell;
    const get = clientTo(server.url);
    for (const how of ["deadline", "abort"] as const) {
      server.onHttp1 = answerWell;
      await callsUntilHttp1(server, get);
      const arrived = new Promise<Http1Request>((resolve) => {
        server.onHttp1 = resolve;
      });
      const leave = new AbortController();
      const call = get(how === "deadline" ? { timeoutMs: 50 } : { signal: leave.signal });
      const failed = call.catch((error: unknown) => ConnectError.from(error).code);
      const { socket } = await within(arrived, "the request");
      const closed = once(socket, "close");
      leave.abort();
      expect(await failed).toBe(how === "deadline" ? Code.DeadlineExceeded : Code.Canceled);
      await within(closed, "the end of the connection");
    }
    expect(server.http2.length).toBeLessThan(10_000);
  });

  test("fail when their client is closed, as over HTTP/2, and are not made again", async () => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = answerWell;
    const { transport, close } = createNodeTransport(server.url);
    const { getJob } = createClient(JobService, transport);
    const get = () => getJob({ id: "1" }, { contextValues: REPEATABLE });
    await callsUntilHttp1(server, get);
    const arrived = new Promise((resolve) => {
      server.onHttp1 = resolve;
    });
    const failed = get().catch((error: unknown) => ConnectError.from(error).code);
    await within(arrived, "the request");
    const { length } = server.http2;
    close();
    expect(await within(failed, "the end of the call")).toBe(Code.Canceled);
    expect(server.http2).toHaveLength(length);
  });

  test("go over HTTP/2 when they have a header that HTTP/1.1 cannot have", async () => {
    const server = await startTwoVersionServer(OVER_HTTP2);
    server.onHttp1 = answerWell;
    let token = "good";
    const get = clientTo(server.url, { token: () => token });
    await callsUntilHttp1(server, get);
    token = "bad\r\nx-injected: 1";
    expect(await get()).toBe("two");
    expect(server.http1.map(({ head }) => head).join("\n")).not.toMatch(/injected/);
  });
});

describe("a lane", () => {
  const request = { path: "/", headers: {}, body: Buffer.alloc(0) };

  /** A server that says this to each connection, or ends it. Its lane has a clock that stands still. */
  async function laneTo(greeting: Buffer | undefined) {
    let opened = 0;
    let closed = 0;
    const server = createServer((socket) => {
      opened++;
      socket.on("close", () => closed++);
      socket.on("error", () => {});
      if (greeting === undefined) socket.end();
      else socket.write(greeting);
      socket.resume();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    atEnd(() => void server.close());
    let time = 0;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const lane = new Http1Lane({ url, now: () => time });
    atEnd(() => lane.close());
    return {
      lane,
      /** Makes as many calls, which it must not take, as open a connection, and lets some time pass. */
      call(ms: number) {
        for (let i = 0; i < 10; i++) expect(lane.post(request, () => {})).toBeUndefined();
        time += ms;
      },
      closed: (count: number) => eventually(async () => closed === count || undefined, "the end of a connection"),
      opened: () => opened,
    };
  }

  test("is not opened again soon when the server has no room for it", async () => {
    const { call, closed, opened } = await laneTo(undefined);
    call(0);
    await closed(1);
    call(29_000);
    call(1001);
    expect(opened()).toBe(1);
    call(0);
    await closed(2);
  });

  test("is closed for ten minutes by a server that greets it as one of HTTP/2 does", async () => {
    const { call, closed, opened } = await laneTo(Buffer.from("000000040000000000", "hex"));
    call(0);
    await closed(1);
    call(599_000);
    call(1001);
    expect(opened()).toBe(1);
    call(0);
    await closed(2);
  });

  test("opens no connection for calls that are rare", async () => {
    const { lane } = await laneTo(Buffer.alloc(0));
    const at = { now: 0 };
    const rare = new Http1Lane({ url: "http://127.0.0.1:1", now: () => at.now });
    for (let i = 0; i < 100; i++, at.now += 150) rare.post(request, () => {});
    expect(rare.isClosed).toBe(true);
    for (let i = 0; i < 10; i++) lane.post(request, () => {});
    expect(lane.isClosed).toBe(false);
  });
});

describe("a lane to a server of GoTaskQ", () => {
  /** Sends a request over the lane once it is open, which it is after some calls that it did not take. */
  async function answerOf(lane: Http1Lane, id: string): Promise<Http1Answer> {
    const request = {
      path: "/gotaskq.v1.JobService/GetJob",
      headers: { "content-type": "application/proto", "connect-protocol-version": "1" },
      body: toBinary(GetJobRequestSchema, create(GetJobRequestSchema, { id })),
    };
    return eventually(() => {
      const answer = new Promise<Http1Answer | undefined>((resolve) => {
        const answered = (given: Http1Answer | "closed" | undefined) => resolve(given === "closed" ? undefined : given);
        if (lane.post(request, answered) === undefined) resolve(undefined);
      });
      return within(answer, "an answer");
    }, "a call over HTTP/1.1");
  }

  test("over TLS shows its certificate, and trusts whom it is told to", async () => {
    const authority = createAuthority();
    const [own, mine] = [authority.issue("server"), authority.issue("client")];
    const env = { TLS_CERT: own.cert, TLS_KEY: own.key, TLS_CLIENT_CA: authority.ca, NUM_WORKERS: "0" };
    const { url } = await startTestServer(env);
    const secure = { ca: authority.caText, cert: readFileSync(mine.cert), key: readFileSync(mine.key) };
    const lane = new Http1Lane({ url, secure });
    atEnd(() => lane.close());
    const { job } = await clientOf(url, { tls: secure }).create({ type: "nobody" });
    expect((await answerOf(lane, job.id)).head[":status"]).toBe(200);
    for (const refused of [{ ca: authority.caText }, { ...secure, ca: undefined }, { ...secure, key: "none" }]) {
      const stranger = new Http1Lane({ url, secure: refused });
      atEnd(() => stranger.close());
      const request = { path: "/", headers: {}, body: Buffer.alloc(0) };
      const answers: unknown[] = [];
      for (let i = 0; i < 20; i++) {
        if (stranger.post(request, (answer) => answers.push(answer)) !== undefined) answers.push("taken");
        await new Promise(setImmediate);
      }
      expect(answers.filter((answer) => answer !== undefined && answer !== "taken")).toEqual([]);
    }
  });

  test("brings what HTTP/2 brings, good and bad", async () => {
    const { url } = await startTestServer({
      NUM_WORKERS: "0",
      AUTH_TOKENS: "name=someone token=secret-of-someone-1 scopes=produce",
    });
    const outcomes = async (httpVersion: "auto" | "2", token: string) => {
      const client = clientOf(url, { httpVersion, token, retryMs: 0 });
      const seen = (call: Promise<unknown>) =>
        call.catch(({ code, reason, message, violations, metadata }) => ({
          code,
          reason,
          message,
          violations,
          metadata,
        }));
      const create = async (payload: unknown) => {
        const { job, deduplicated } = await client.create({ type: "nobody", payload });
        const { type, queue, status, maxRetries, backoff } = job;
        return { type, queue, status, maxRetries, backoff, payload: job.payload, deduplicated };
      };
      const answers: unknown[] = [];
      for (let i = 0; i < 20; i++) {
        answers.push(await seen(create({ i, text: "\u00e9\u{1f600}" })));
        answers.push(await seen(client.get("123")));
        answers.push(await seen(client.create({ type: "", priority: 1e9 })));
        answers.push(await seen(client.count({ types: ["none"] })));
      }
      return answers;
    };
    const posts = vi.spyOn(Http1Lane.prototype, "post");
    onTestFinished(() => posts.mockRestore());
    for (const token of ["secret-of-someone-1", "another"]) {
      posts.mockClear();
      expect(await outcomes("auto", token)).toEqual(await outcomes("2", token));
      const taken = posts.mock.results.filter(({ value }) => value !== undefined).length;
      // Who is refused gets no answer over HTTP/2 that would prove it.
      if (token === "another") expect(taken).toBe(0);
      else expect(taken).toBeGreaterThan(20);
    }
  });
});

function createNodeTransportAtEnd(url: string) {
  const { transport, close } = createNodeTransport(url);
  atEnd(close);
  return transport;
}
