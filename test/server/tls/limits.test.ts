import { createClient } from "gotaskq/client";
import { describe, expect, test } from "vitest";
import type { ListenerOptions } from "../../../src/server/http/listener.js";
import { endlessAnswers, QUICK_TIMES, sip, untilClosed } from "../../support/endless-answers.js";
import { frame, GREETING, head, initialWindow, mute, windowUpdate } from "../../support/http2-frames.js";
import { startTestServer } from "../../support/server.js";
import { within } from "../../support/wait.js";
import { dial } from "./dial.js";
import { atEnd, identity, listenSecurely } from "./secure-listener.js";

/** Short enough for a test that waits for it, ms. */
const SHORT_MS = 200;
const ca = identity().authority.caText;

/** A listener that answers `/`, and writes without end to any other request. */
async function listen(options: Partial<ListenerOptions> = {}) {
  const { handler, observer, told } = endlessAnswers();
  const port = await listenSecurely(handler, { requestTimeoutMs: 60_000, times: QUICK_TIMES, observer, ...options });
  return { told, port };
}

describe("over TLS, a client that takes nothing", () => {
  test("loses its connection over HTTP/1.1", async () => {
    const { port, told } = await listen({ times: { ...QUICK_TIMES, stallMs: SHORT_MS } });
    const socket = await dial(port, { ca });
    socket.pause();
    socket.write("GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await untilClosed(told);
    expect(told).toEqual(["opened", "stalled", "closed"]);
  });

  test("loses its connection over HTTP/2", async () => {
    const { port, told } = await listen({ times: { ...QUICK_TIMES, stallMs: SHORT_MS, goneAfterMs: SHORT_MS } });
    const socket = await dial(port, { ca, ALPNProtocols: ["h2"] });
    socket.pause();
    const wide = windowUpdate(0, 2 ** 31 - 1 - 65_535);
    socket.write(Buffer.concat([GREETING, initialWindow(2 ** 31 - 1), wide, head(1, "/a")]));
    await untilClosed(told);
    expect(told.filter((what) => what !== "opened")).toEqual(["stalled", "closed"]);
  });

  test("keeps it as long as it takes something", async () => {
    const stallMs = 1500;
    const { port, told } = await listen({ times: { ...QUICK_TIMES, stallMs } });
    const socket = await dial(port, { ca });
    socket.pause();
    socket.write("GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await sip(socket, 1.5 * stallMs, SHORT_MS / 4);
    expect(told).toEqual(["opened"]);
  });
});

test("over TLS, connections beyond MAX_CONNECTIONS are closed before their handshake", async () => {
  const { port, told } = await listen({ maxConnections: 1 });
  await dial(port, { ca });
  await (await mute(port, "")).closed;
  expect(told).toEqual(["opened", "server_full"]);
});

test("over TLS, a flood of frames ends its connection", async () => {
  const { port, told } = await listen();
  const socket = await dial(port, { ca, ALPNProtocols: ["h2"] });
  socket.on("error", () => {}).resume();
  const one = frame(99, 0, 0, Buffer.alloc(8));
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => one));
  socket.write(GREETING);
  const flooding = setInterval(() => socket.write(many), 1);
  atEnd(() => clearInterval(flooding));
  await untilClosed(told);
  expect(told).toContain("flood");
});

test("over TLS, many large bodies are no flood", async () => {
  const { cert, key } = identity();
  const { url } = await startTestServer({ TLS_CERT: cert, TLS_KEY: key, NUM_WORKERS: "0" });
  const client = createClient(url, { tls: { ca }, retryMs: 0 });
  atEnd(() => client.close());
  const job = { type: "nobody", payload: "x".repeat(900_000) };
  for (let batches = 0; batches < 10; batches++) {
    expect(await within(client.createBatch([job, job, job, job]), "the batch")).toHaveLength(4);
  }
});
