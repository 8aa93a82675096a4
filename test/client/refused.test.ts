import { once } from "node:events";
import { constants, createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { TaskQueueError } from "gotaskq/client";
import { expect, test } from "vitest";
import { startTestServer } from "../support/server.js";
import { signal } from "../support/signal.js";
import { within } from "../support/wait.js";
import { atEnd, clientOf } from "./support.js";

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** A server that does with each call what the test wants; ends after the test. */
async function serve(onCall: (stream: ServerHttp2Stream, count: number) => void): Promise<string> {
  let count = 0;
  const server: Http2Server = createServer();
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    onCall(stream, ++count);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(() => void server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

function answer(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/proto" });
  stream.end();
}

test("a call whose stream was refused is made again, even one that may not be repeated", async () => {
  let seen = 0;
  const url = await serve((stream, count) => {
    seen = count;
    if (count < 3) stream.close(NGHTTP2_REFUSED_STREAM);
    else answer(stream);
  });
  await within(clientOf(url).delete("1"), "the delete");
  expect(seen).toBe(3);
});

test("a refused call fails once retries are over, with a code that says that nothing was begun", async () => {
  const url = await serve((stream) => stream.close(NGHTTP2_REFUSED_STREAM));
  const error = await within(
    clientOf(url, { retryMs: 0 })
      .delete("1")
      .catch((thrown: unknown) => thrown),
    "the refusal",
  );
  expect(error).toBeInstanceOf(TaskQueueError);
  expect(error).toMatchObject({ code: "UNAVAILABLE" });
});

test.each([
  ["with an error", NGHTTP2_INTERNAL_ERROR],
  ["in order", NGHTTP2_NO_ERROR],
])(
  "of the calls on a connection that is ended %s, those not begun are made again, and no others",
  async (_how, code) => {
    const begun: number[] = [];
    const first = signal();
    const url = await serve((stream, count) => {
      begun.push(count);
      if (count === 1) first.fire();
      // The second call counts as not begun: the first is the last that the server took.
      else if (count === 2) stream.session?.goaway(code, 1);
      else answer(stream);
      if (count === 3 && code === NGHTTP2_NO_ERROR) waiting?.close(NGHTTP2_INTERNAL_ERROR);
      if (count === 1) waiting = stream;
    });
    let waiting: ServerHttp2Stream | undefined;
    const client = clientOf(url);
    const lost = client.delete("1").then(
      () => "done",
      (thrown: TaskQueueError) => thrown.code,
    );
    await first.fired;
    await within(client.delete("2"), "the second call");
    // Nobody knows what became of it, so it is not repeated.
    expect(await within(lost, "the end of the first call")).toBe("UNAVAILABLE");
    expect(begun).toEqual([1, 2, 3]);
  },
);

test("an error says what the server calls the request", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const client = clientOf(server.url, { headers: { "x-request-id": "mine-10" } });
  const error = await client.get("7").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ reason: "JOB_NOT_FOUND", requestId: "mine-10" });
});
