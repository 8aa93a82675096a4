import { subscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createListener, type Listener } from "../../../src/server/http/listener.js";
import { signal } from "../../support/signal.js";
import { within } from "../../support/wait.js";
import { open as connectTo, http1, http2 } from "../../support/wire.js";

/** Between two parts of an answer, and how many parts it has: longer in all than a response may stand still, ms. */
const PART_MS = 300;
const PARTS = 6;

const open: Listener[] = [];

/** The sockets of the server's side. */
const accepted = new Set<Socket>();
const onSocket = (message: unknown) => void accepted.add((message as { socket: Socket }).socket);
subscribe("net.server.socket", onSocket);
afterEach(() => Promise.all(open.splice(0).map((listener) => listener.close())));

/** A listener that has every request answered over HTTP/1.1 by the test, and where it listens. */
async function listen(answer: (response: ServerResponse) => void) {
  const listener = createListener(
    { request: (_request, response) => answer(response as ServerResponse), stream: () => false },
    { requestTimeoutMs: 30_000 },
  );
  open.push(listener);
  const { port } = await listener.listen(0, "127.0.0.1");
  return { listener, port, url: `http://127.0.0.1:${port}` };
}

test("a response that is still being written when the port closes is written to its end", async () => {
  const begun = signal();
  const { listener, url } = await listen((response) => {
    let parts = 0;
    const timer = setInterval(() => {
      response.write("part ");
      begun.fire();
      if (++parts < PARTS) return;
      clearInterval(timer);
      response.end("end");
    }, PART_MS);
  });
  const answer = http1(url, { method: "GET", path: "/" });
  await begun.fired;
  const closed = listener.close();
  expect(String((await answer).body)).toBe(`${"part ".repeat(PARTS)}end`);
  await within(closed, "the end of the listener");
});

test.each([
  ["HTTP/1.1", http1],
  ["HTTP/2", http2],
])("the error of a socket in the middle of a response over %s ends that connection only", async (_name, send) => {
  let isBroken = true;
  const { url } = await listen((response) => {
    if (isBroken) {
      response.write("part");
      for (const socket of accepted) socket.destroy(new Error("EIO"));
    } else response.end("whole");
  });
  await expect(send(url, { method: "GET", path: "/" })).rejects.toThrow();
  isBroken = false;
  expect(String((await send(url, { method: "GET", path: "/" })).body)).toBe("whole");
});

test("a response that stands still does not keep the port from closing", async () => {
  const begun = signal();
  const { listener, port } = await listen((response) => {
    response.write("part");
    begun.fire();
  });
  const socket = await connectTo(port);
  const closed = new Promise<void>((resolve) => socket.resume().once("close", () => resolve()));
  socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
  await begun.fired;
  await within(listener.close(), "the end of the listener");
  await within(closed, "the end of the connection");
});
