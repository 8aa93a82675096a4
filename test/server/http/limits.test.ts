import { afterEach, describe, expect, test } from "vitest";
import { createListener, type ListenerOptions } from "../../../src/server/http/listener.js";
import { endlessAnswers, QUICK_TIMES, sip, untilClosed } from "../../support/endless-answers.js";
import { frame, GREETING, head, initialWindow, mute, TYPE, uint32, windowUpdate } from "../../support/http2-frames.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { http1, http2, open } from "../../support/wire.js";

/** Short enough for a test that waits for it, ms. */
const SHORT_MS = 200;
/** Long enough for a client that takes something again and again to be seen to, also on a busy machine. */
const LONGER_MS = 1500;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A listener that answers `/`, and writes without end to any other request. It keeps what its observer was told. */
async function listen(stallMs: number, limits: Partial<ListenerOptions> = {}) {
  const { handler, observer, told, written } = endlessAnswers();
  const listener = createListener(handler, {
    requestTimeoutMs: 60_000,
    times: { ...QUICK_TIMES, stallMs },
    observer,
    ...limits,
  });
  closing.push(() => listener.close());
  const { port } = await listener.listen(0, "127.0.0.1");
  return { told, port, url: `http://127.0.0.1:${port}`, written };
}

describe("connections beyond MAX_CONNECTIONS", () => {
  test("are closed at once, until one of the others closes", async () => {
    const { port, url, told } = await listen(60_000, { maxConnections: 2 });
    const first = await open(port);
    await open(port);
    await (await mute(port, "")).closed;
    expect(told).toEqual(["opened", "opened", "server_full"]);
    first.destroy();
    await eventually(async () => (told.includes("closed") ? true : undefined), "the end of the first");
    expect((await http1(url, { method: "GET", path: "/" })).status).toBe(200);
  });
});

describe("a client that takes nothing of what is written to it", () => {
  test("loses its stream, and its other streams go on, over HTTP/2", async () => {
    const { port, told } = await listen(LONGER_MS);
    const { socket } = await mute(port, Buffer.concat([GREETING, initialWindow(0), head(1, "/a"), head(3, "/b")]));
    const resets: number[] = [];
    const both = signal();
    socket.on("data", (bytes: Buffer) => {
      // Frames of the server here: headers, and the resets of 13 bytes.
      for (
        let at = bytes.indexOf(Buffer.of(0, 0, 4, 3, 0));
        at >= 0;
        at = bytes.indexOf(Buffer.of(0, 0, 4, 3, 0), at + 1)
      )
        resets.push(bytes.readUInt32BE(at + 5));
      if (resets.length > 0) both.fire();
    });
    // The second one is taken from, a little at a time.
    const more = Buffer.concat([windowUpdate(3, 4000), windowUpdate(0, 4000)]);
    const taking = setInterval(() => socket.write(more), LONGER_MS / 20);
    closing.push(() => clearInterval(taking));
    await within(both.fired, "the reset of a stream");
    await new Promise<void>((resolve) => setTimeout(resolve, LONGER_MS));
    expect(resets).toEqual([1]);
    expect(told.filter((what) => what !== "opened")).toEqual(["stalled"]);
  });

  test("loses its connection, when it reads nothing at all, over HTTP/2", async () => {
    const { port, told } = await listen(SHORT_MS, {
      times: { ...QUICK_TIMES, stallMs: SHORT_MS, goneAfterMs: SHORT_MS },
    });
    const socket = await open(port);
    closing.push(() => socket.destroy());
    socket.pause();
    const wide = windowUpdate(0, 2 ** 31 - 1 - 65_535);
    socket.write(Buffer.concat([GREETING, initialWindow(2 ** 31 - 1), wide, head(1, "/a")]));
    // It goes on to say something.
    const talking = setInterval(
      () => socket.write(frame(TYPE.priority, 0, 3, Buffer.concat([uint32(0), Buffer.of(10)]))),
      50,
    );
    closing.push(() => clearInterval(talking));
    await untilClosed(told);
    expect(told).toEqual(["opened", "stalled", "closed"]);
  });

  test("loses its connection over HTTP/1.1", async () => {
    const { port, told, written } = await listen(SHORT_MS);
    const socket = await open(port);
    closing.push(() => socket.destroy());
    socket.pause();
    socket.write("GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await untilClosed(told);
    expect(told).toEqual(["opened", "stalled", "closed"]);
    expect(written()).toBeGreaterThan(0);
  });

  test("keeps its connection over HTTP/1.1 as long as it takes something", async () => {
    const { port, told, written } = await listen(LONGER_MS);
    const socket = await open(port);
    closing.push(() => socket.destroy());
    socket.pause();
    socket.write("GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await sip(socket, 2 * LONGER_MS, SHORT_MS / 4);
    expect(told).toEqual(["opened"]);
    expect(written()).toBeGreaterThan(0);
  });
});

describe("a flood", () => {
  const repeat = (bytes: Buffer, times: number) => Buffer.concat(Array.from({ length: times }, () => bytes));
  const FLOODS: readonly [string, Buffer, Buffer][] = [
    ["PRIORITY", Buffer.alloc(0), frame(TYPE.priority, 0, 3, Buffer.concat([uint32(0), Buffer.of(10)]))],
    ["WINDOW_UPDATE", Buffer.alloc(0), windowUpdate(0, 1)],
    ["frames of an unknown type", Buffer.alloc(0), frame(99, 0, 0, Buffer.alloc(8))],
    ["PING", Buffer.alloc(0), frame(TYPE.ping, 0, 0, Buffer.alloc(8))],
    ["SETTINGS", Buffer.alloc(0), initialWindow(65_535)],
    ["empty DATA", head(1, "/a"), frame(TYPE.data, 0, 1)],
    ["RST_STREAM of a closed stream", head(1, "/a"), frame(TYPE.reset, 0, 1, uint32(8))],
    ["GOAWAY", Buffer.alloc(0), frame(TYPE.goaway, 0, 0, Buffer.alloc(8))],
  ];

  test.each(FLOODS)("of %s ends its connection, and no other", async (_what, first, one) => {
    const { port, url } = await listen(60_000, {
      times: { ...QUICK_TIMES, goneAfterMs: SHORT_MS, keepAliveMs: SHORT_MS },
    });
    const { socket, closed } = await mute(port, Buffer.concat([GREETING, first]));
    const many = repeat(one, 2000);
    const more = () => {
      while (!socket.destroyed && socket.write(many));
    };
    socket.on("drain", more);
    more();
    expect((await http2(url, { method: "GET", path: "/" })).status).toBe(200);
    await closed;
    socket.destroy();
    expect((await http2(url, { method: "GET", path: "/" })).status).toBe(200);
  });

  test("of CONTINUATION ends its connection", async () => {
    const { port } = await listen(60_000);
    const unfinished = frame(TYPE.headers, 0, 1, Buffer.of(0x83, 0x86, 0x84));
    const { closed } = await mute(
      port,
      Buffer.concat([GREETING, unfinished, repeat(frame(TYPE.continuation, 0, 1), 2000)]),
    );
    await closed;
  });
});
