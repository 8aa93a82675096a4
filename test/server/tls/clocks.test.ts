import { connect as http2Connect } from "node:http2";
import type { Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { CONNECTION_TIMES, type ConnectionTimes } from "../../../src/server/http/connection-times.js";
import { GREETING, head, mute, PREFACE } from "../../support/http2-frames.js";
import { within } from "../../support/wait.js";
import { open } from "../../support/wire.js";
import { dial } from "./dial.js";
import { atEnd, identity, listenSecurely } from "./secure-listener.js";

/** Short enough for a test that waits for it, ms. */
const SHORT_MS = 200;

const { authority } = identity();
const ca = authority.caText;

/** A listener whose clocks are long but for those given. It answers `/`, and begins an answer on all other streams of HTTP/2. */
async function listen(short: Partial<ConnectionTimes>, requestTimeoutMs = 60_000): Promise<number> {
  const times = { ...CONNECTION_TIMES, checkMs: 20, closeGraceMs: 20, ...short };
  return listenSecurely(
    {
      request: (_request, response) => void response.end("answer"),
      stream(stream, headers) {
        stream.on("error", () => {});
        if (headers[":path"] === "/") return false;
        stream.respond({ ":status": 200 });
        stream.write("part");
        return true;
      },
    },
    { requestTimeoutMs, times },
    times.handshakeMs,
  );
}

/** Resolves when the server has closed a connection, or said that it will. */
function ended(socket: Socket): Promise<void> {
  const end = new Promise<void>((resolve) => socket.on("end", resolve).on("close", () => resolve()));
  socket.on("error", () => {}).resume();
  return within(end, "the end of a connection");
}

test.each([
  ["nothing", ""],
  ["half a handshake", "\x16\x03\x01\x02\x00\x01"],
])("a connection that sends %s and no more is closed", async (_what, bytes) => {
  const port = await listen({ firstBytesMs: SHORT_MS, handshakeMs: SHORT_MS });
  const client = await mute(port, Buffer.from(bytes, "latin1"));
  await client.closed;
});

test("a connection that sends its handshake byte by byte is closed after the time of a handshake", async () => {
  const port = await listen({ handshakeMs: SHORT_MS });
  const socket = await open(port);
  const bytes = Buffer.from("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "latin1");
  let at = 0;
  const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 20);
  atEnd(() => clearInterval(timer));
  await ended(socket);
});

test.each([["h2"], ["http/1.1"], [undefined]])(
  "a connection that is secure and then says nothing (%s) is closed",
  async (protocol) => {
    const port = await listen({ firstBytesMs: SHORT_MS });
    await ended(await dial(port, { ca, ...(protocol !== undefined && { ALPNProtocols: [protocol] }) }));
  },
);

test.each([
  ["h2", "half the preface of HTTP/2", PREFACE.slice(0, 12)],
  ["http/1.1", "half the head of a request", "GET / HTTP/1.1\r\nhost: local"],
])("a secure connection (%s) that sends %s is closed after REQUEST_TIMEOUT", async (protocol, _what, bytes) => {
  const port = await listen({}, SHORT_MS);
  const socket = await dial(port, { ca, ALPNProtocols: [protocol] });
  socket.write(bytes);
  await ended(socket);
});

test("an idle connection of HTTP/2 is told to end, in order", async () => {
  const port = await listen({ keepAliveMs: SHORT_MS });
  const session = http2Connect(`https://localhost:${port}`, { ca });
  atEnd(() => session.destroy());
  const code = new Promise<number>((resolve) => session.on("goaway", resolve));
  const closed = new Promise<void>((resolve) => session.on("close", resolve));
  expect(await within(code, "the notice of the end")).toBe(0);
  await within(closed, "the end of the connection");
});

test("a connection whose client answers no ping while a stream is open is closed", async () => {
  const port = await listen({ pingAfterMs: SHORT_MS, goneAfterMs: SHORT_MS });
  const socket = await dial(port, { ca, ALPNProtocols: ["h2"] });
  socket.write(Buffer.concat([GREETING, head(1, "/stream")]));
  await ended(socket);
});

test("a connection whose client answers pings is kept, although it says nothing else", async () => {
  const port = await listen({ pingAfterMs: 50, goneAfterMs: 2000, keepAliveMs: 50 });
  const session = http2Connect(`https://localhost:${port}`, { ca });
  atEnd(() => session.destroy());
  let pings = 0;
  const pinged = new Promise<void>((resolve) => {
    session.on("ping", () => {
      if (++pings === 5) resolve();
    });
  });
  const stream = session.request({ ":path": "/stream" });
  stream.on("error", () => {}).resume();
  await within(pinged, "the pings");
  expect(stream.closed).toBe(false);
});

test("a connection in plain text whose client keeps its side open is closed as a whole", async () => {
  const port = await listen({ goneAfterMs: SHORT_MS });
  const { socket, closed } = await mute(port, "GET / HTTP/1.1\r\n\r\n");
  await closed;
  const broken = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  const writing = setInterval(() => socket.write("x"), 10);
  atEnd(() => clearInterval(writing));
  await within(broken, "the end of the connection as a whole");
});

test("500 half-open handshakes keep nobody from being served", async () => {
  const port = await listen({ handshakeMs: SHORT_MS });
  const half = Buffer.from("\x16\x03\x01\x02\x00\x01", "latin1");
  const clients = await Promise.all(Array.from({ length: 500 }, () => mute(port, half)));
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", servername: "localhost", ca });
  atEnd(() => socket.destroy());
  const answer = within(new Promise((resolve) => socket.on("data", resolve)), "an answer");
  socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
  expect(String(await answer)).toMatch(/^HTTP\/1\.1 200/);
  await Promise.all(clients.map(({ closed }) => closed));
});
