import { Agent, get } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import { connect as http2Connect } from "node:http2";
import { afterEach, describe, expect, test } from "vitest";
import { CONNECTION_TIMES, type ConnectionTimes } from "../../../src/server/http/connection-times.js";
import { createListener, type Listener } from "../../../src/server/http/listener.js";
import { GOAWAY, GREETING, head, mute, PREFACE, reset } from "../../support/http2-frames.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { http1, http2, open } from "../../support/wire.js";

/** Short enough for a test that waits for it, ms. */
const SHORT_MS = 200;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/**
 * A listener whose clocks are long but for those given. It answers `/`, nothing on `/silent`, and begins an answer on all
 * other streams of HTTP/2.
 */
async function listen(short: Partial<ConnectionTimes>, requestTimeoutMs = 60_000) {
  const opened: ServerHttp2Stream[] = [];
  const times = { ...CONNECTION_TIMES, checkMs: 20, closeGraceMs: 20, ...short };
  const listener: Listener = createListener(
    {
      request: (_request, response) => void response.end("answer"),
      stream(stream, headers) {
        stream.on("error", () => {});
        if (headers[":path"] === "/") return false;
        opened.push(stream);
        if (headers[":path"] === "/silent") return true;
        stream.respond({ ":status": 200 });
        stream.write("part");
        return true;
      },
    },
    { requestTimeoutMs, times },
  );
  closing.push(() => listener.close());
  const { port } = await listener.listen(0, "127.0.0.1");
  return { listener, opened, port, url: `http://127.0.0.1:${port}` };
}

/** A session of Node's own client, ended after the test. */
function sessionOf(url: string) {
  const session = http2Connect(url);
  session.on("error", () => {});
  closing.push(() => session.destroy());
  return session;
}

describe("a connection is closed", () => {
  test.each([
    ["nothing", ""],
    ["a part of the bytes that tell HTTP/2", "PR"],
  ])("that sends %s at first", async (_what, bytes) => {
    const { port } = await listen({ firstBytesMs: SHORT_MS });
    const client = await mute(port, bytes);
    await client.closed;
  });

  test.each([
    ["half the preface of HTTP/2", PREFACE.slice(0, 12)],
    ["the preface of HTTP/2 without SETTINGS", PREFACE],
    ["the preface of HTTP/2 and half of SETTINGS", `${PREFACE}\0\0\0\x04`],
    ["half the head of a request", "GET / HTTP/1.1\r\nhost: local"],
  ])("that sends %s and no more within REQUEST_TIMEOUT", async (_what, bytes) => {
    const { port } = await listen({}, SHORT_MS);
    const client = await mute(port, bytes);
    await client.closed;
  });

  test("that sends half the body of a request and no more", async () => {
    const { port } = await listen({ refuseMs: 0 }, SHORT_MS);
    const client = await mute(port, "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nhalf");
    await client.closed;
  });

  test("after idle time, in order, over HTTP/2", async () => {
    const { url } = await listen({ keepAliveMs: SHORT_MS });
    const session = sessionOf(url);
    const code = new Promise<number>((resolve) => session.on("goaway", resolve));
    const closed = new Promise<void>((resolve) => session.on("close", resolve));
    expect(await within(code, "the notice of the end")).toBe(0);
    await within(closed, "the end of the connection");
  });

  test.each([
    ["after idle time", GREETING],
    ["after its client said the end", Buffer.concat([GREETING, GOAWAY])],
    ["after its client broke the protocol", Buffer.concat([GREETING, Buffer.alloc(100)])],
  ])("%s, as a whole, although its client keeps its side open, over HTTP/2", async (_when, bytes) => {
    const { port } = await listen({ keepAliveMs: SHORT_MS, goneAfterMs: SHORT_MS });
    const { socket, closed } = await mute(port, bytes);
    await closed;
    // What is sent to a connection that is closed as a whole is refused.
    const broken = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    const writing = setInterval(() => socket.write("x"), 10);
    closing.push(() => clearInterval(writing));
    await within(broken, "the end of the connection as a whole");
  });

  test("whose client answers no ping while a stream is open", async () => {
    const { port, opened } = await listen({ pingAfterMs: SHORT_MS, goneAfterMs: SHORT_MS });
    const client = await mute(port, Buffer.concat([GREETING, head(1, "/stream")]));
    await client.closed;
    expect(opened).toHaveLength(1);
    await eventually(async () => (opened[0]?.destroyed ? true : undefined), "the end of the stream");
  });

  test("whose client resets stream after stream, and no other", async () => {
    const { port, url, opened } = await listen({ goneAfterMs: SHORT_MS });
    const session = sessionOf(url);
    const other = session.request({ ":path": "/stream" });
    await within(new Promise((resolve) => other.once("data", resolve)), "a stream of another client");
    const flood = Array.from({ length: 3000 }, (_, index) => [head(2 * index + 1, "/stream"), reset(2 * index + 1)]);
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => mute(port, Buffer.concat([GREETING, ...flood.flat()]))),
    );
    await Promise.all(clients.map(({ closed }) => closed));
    expect(opened.length).toBeLessThan(20 * 2000);
    expect(other.closed).toBe(false);
    expect((await http2(url, { method: "GET", path: "/" })).status).toBe(200);
  });
});

describe("a stream whose request does not end within REQUEST_TIMEOUT", () => {
  const begun = (url: string, path: string) => {
    const stream = sessionOf(url).request({ ":method": "POST", ":path": path }, { endStream: false });
    stream.on("error", () => {}).resume();
    return { stream, closed: new Promise((resolve) => stream.on("close", () => resolve(stream.rstCode))) };
  };

  test.each([
    ["is ended without a fault when it was answered", "/", 0],
    ["is broken off when nothing answers it", "/silent", 8],
  ])("%s", async (_what, path, code) => {
    const { url } = await listen({ refuseMs: 0 }, SHORT_MS);
    expect(await within(begun(url, path).closed, "the end of the stream")).toBe(code);
  });

  test("is kept while its answer goes on, and so is one whose request has ended", async () => {
    const { url, opened } = await listen({ refuseMs: 0 }, SHORT_MS);
    const kept = begun(url, "/stream");
    const whole = begun(url, "/silent");
    whole.stream.end();
    await eventually(async () => (opened.length === 2 ? true : undefined), "both streams");
    // Opened after them, and ended before them if they were to end.
    await within(begun(url, "/").closed, "the end of another stream");
    expect([kept.stream.closed, whole.stream.closed]).toEqual([false, false]);
  });
});

describe("a connection is kept", () => {
  test("whose client answers pings, although it says nothing else", async () => {
    const { url, opened } = await listen({ pingAfterMs: 50, goneAfterMs: 100, keepAliveMs: 50 });
    const session = sessionOf(url);
    let pings = 0;
    const pinged = signal();
    session.on("ping", () => {
      if (++pings === 5) pinged.fire();
    });
    const stream = session.request({ ":path": "/stream" });
    await within(new Promise((resolve) => stream.once("data", resolve)), "the stream");
    await within(pinged.fired, "the pings");
    expect(opened[0]?.destroyed).toBe(false);
    expect(stream.closed).toBe(false);
  });

  test("that was told to end, as long as one of its streams goes on and its client answers", async () => {
    const { url, opened } = await listen({ pingAfterMs: 50, goneAfterMs: 100 });
    const session = sessionOf(url);
    const kept = session.request({ ":path": "/stream" });
    const many = Array.from({ length: 600 }, () => session.request({ ":path": "/stream" }));
    await within(Promise.all(many.map((each) => new Promise((resolve) => each.once("data", resolve)))), "the streams");
    const told = new Promise<number>((resolve) => session.on("goaway", resolve));
    let probes = 0;
    const probed = signal();
    session.on("remoteSettings", () => {
      if (++probes === 5) probed.fire();
    });
    for (const each of many) each.on("error", () => {}).close(8);
    expect(await within(told, "the notice of the end")).toBe(0);
    await within(probed.fired, "what a client must answer");
    opened[0]?.end(" end");
    expect(
      String(
        await kept
          .setEncoding("utf8")
          .toArray()
          .then((parts) => parts.join("")),
      ),
    ).toMatch(/ end$/);
    await within(
      new Promise<void>((resolve) => (session.closed && session.destroyed ? resolve() : session.on("close", resolve))),
      "the end of the connection",
    );
  });

  test("of HTTP/1.1 while it is used", async () => {
    const { url, port } = await listen({ refuseMs: 0 }, SHORT_MS);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    closing.push(() => agent.destroy());
    const ports = new Set<number | undefined>();
    const end = performance.now() + 3 * SHORT_MS;
    while (performance.now() < end) {
      await new Promise<void>((resolve, reject) => {
        const request = get({ port, host: "127.0.0.1", agent }, (response) => {
          ports.add(response.socket.localPort);
          response.resume().on("end", resolve);
        });
        request.on("error", reject);
      });
    }
    expect(ports.size).toBe(1);
    expect((await http1(url, { method: "GET", path: "/" })).status).toBe(200);
    (await open(port)).destroy();
  });
});
