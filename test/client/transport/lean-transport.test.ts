import { constants } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { GetJobResponseSchema, JobService, WatchJobResponseSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { toTaskQueueError } from "../../../src/client/convert/errors.js";
import { createNodeTransport, type NodeTransportOptions } from "../../../src/client/transport/node-transport.js";
import { startTestServer } from "../../support/server.js";
import { signal } from "../../support/signal.js";
import { GRPC } from "../../support/transports.js";
import { eventually, within } from "../../support/wait.js";
import { atEnd } from "../support.js";
import { SCRIPT, startScriptedServer } from "./scripted-server.js";

const PROTO = { ":status": 200, "content-type": "application/proto" };
const STREAM = { ":status": 200, "content-type": "application/connect+proto" };

const GOOD = toBinary(GetJobResponseSchema, create(GetJobResponseSchema, { job: { id: "1" } }));

function transportTo(url: string, options?: NodeTransportOptions): Transport {
  const { transport, close } = createNodeTransport(url, options);
  atEnd(close);
  return transport;
}

const named = (name: string) => ({ headers: { [SCRIPT]: name } });

function envelope(flags: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(data.byteLength, 1);
  return Buffer.concat([head, data]);
}

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  const error = await within(
    call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
    "the end of a call",
  );
  if (!(error instanceof ConnectError)) throw new Error(`expected a ConnectError, got ${error}`);
  return error;
}

describe("a call", () => {
  test("that is over is told to the server: at its deadline, and when it is aborted", async () => {
    const server = await startScriptedServer();
    const { getJob, watchJob } = createClient(JobService, transportTo(server.url));
    server.play("open", { ending: "open" });
    expect((await failure(getJob({}, { ...named("open"), timeoutMs: 50 }))).code).toBe(Code.DeadlineExceeded);
    const leave = new AbortController();
    const left = failure(getJob({}, { ...named("open"), signal: leave.signal }));
    const watch = watchJob({}, { ...named("open"), signal: leave.signal })[Symbol.asyncIterator]();
    const gone = failure(watch.next());
    await eventually(async () => server.seen("open").length === 3 || undefined, "the calls");
    const reason = new Error("enough");
    leave.abort(reason);
    expect((await left).cause).toBe(reason);
    expect(await gone).toMatchObject({ code: Code.Canceled, cause: reason });
    const resets = () => server.seen("open").map(({ reset }) => reset);
    await eventually(
      async () => resets().every((reset) => reset === constants.NGHTTP2_CANCEL) || undefined,
      "the resets",
    );
  });

  test("fails at its deadline, and when it is aborted, while its token is awaited, and is never sent", async () => {
    const server = await startScriptedServer();
    const asked = signal();
    const token = () => {
      asked.fire();
      return new Promise<string>(() => {});
    };
    const { getJob } = createClient(JobService, transportTo(server.url, { token }));
    expect((await failure(getJob({}, { timeoutMs: 20 }))).code).toBe(Code.DeadlineExceeded);
    await asked.fired;
    const aborted = failure(getJob({}, { signal: AbortSignal.abort() }));
    expect((await aborted).code).toBe(Code.Canceled);
    expect(server.connections).toBe(0);
  });

  test("whose stream is closed without a word has failed, and nobody knows what became of it", async () => {
    const server = await startScriptedServer();
    const { getJob, watchJob } = createClient(JobService, transportTo(server.url));
    server.play("closed", { ending: constants.NGHTTP2_NO_ERROR });
    expect(toTaskQueueError(await failure(getJob({}, named("closed")))).code).toBe("UNAVAILABLE");
    const watch = watchJob({}, named("closed"))[Symbol.asyncIterator]();
    expect(toTaskQueueError(await failure(watch.next())).code).toBe("UNAVAILABLE");
  });

  test("with a field that no message can carry fails as with the library, before it is sent", async () => {
    const server = await startScriptedServer();
    const { listJobs } = createClient(JobService, transportTo(server.url));
    for (const pageSize of [1.5, Number.NaN, 2 ** 31, "x" as never]) {
      expect((await failure(listJobs({ pageSize }))).message).toMatch(/serialize binary: .*invalid int32/);
    }
    expect(server.connections).toBe(0);
  });

  test("brings the details of an error as gRPC does, and its headers", async () => {
    const server = await startTestServer({ NUM_WORKERS: "0" });
    const invalid = { type: "", priority: 99, queue: "?" };
    const mine = { headers: { "x-request-id": "mine" } };
    const errors = [transportTo(server.url), GRPC.create(server.url)].map(async (transport) =>
      toTaskQueueError(await failure(createClient(JobService, transport).createJob(invalid, mine))),
    );
    const [lean, grpc] = await Promise.all(errors);
    const { stack: _, cause: __, ...told } = lean as NonNullable<typeof lean>;
    expect(grpc).toMatchObject(told);
    expect(told).toMatchObject({ reason: "FIELD_INVALID", requestId: "mine" });
    expect(told.violations).toHaveLength(3);
  });
});

describe("a stream", () => {
  const message = (error: string) =>
    envelope(
      0,
      toBinary(WatchJobResponseSchema, create(WatchJobResponseSchema, { event: { case: "job", value: { error } } })),
    );

  test("is read at the pace of its reader: the server can send only so much ahead", async () => {
    const server = await startScriptedServer();
    const { watchJob } = createClient(JobService, transportTo(server.url));
    const pieces = Array.from({ length: 100 }, (_, index) => message(`${index}:${"x".repeat(50_000)}`));
    server.play("much", { head: STREAM, pieces: [...pieces, envelope(2, Buffer.from("{}"))], ending: "end" });
    const messages = watchJob({}, named("much"))[Symbol.asyncIterator]();
    await within(messages.next(), "the first message");
    // What is behind comes only as it is read.
    await eventually(async () => (server.seen("much")[0]?.unsent ?? 0) > 3_000_000 || undefined, "the server to wait");
    let count = 1;
    for (;;) {
      const { done, value } = await within(messages.next(), "the next message");
      if (done) break;
      expect(value.event.value).toMatchObject({ error: expect.stringMatching(new RegExp(`^${count}:`)) });
      count++;
    }
    expect(count).toBe(100);
    expect(await messages.next()).toEqual({ done: true, value: undefined });
  });

  test("that breaks gives what has arrived before it fails", async () => {
    const server = await startScriptedServer();
    const { watchJob } = createClient(JobService, transportTo(server.url));
    server.play("broken", {
      head: STREAM,
      pieces: [message("1"), message("2")],
      ending: "cut",
    });
    const messages = watchJob({}, named("broken"))[Symbol.asyncIterator]();
    expect((await within(messages.next(), "the first message")).value?.event.value).toMatchObject({ error: "1" });
    await eventually(async () => server.seen("broken")[0]?.reset, "the break");
    expect((await within(messages.next(), "the second message")).value?.event.value).toMatchObject({ error: "2" });
    expect(toTaskQueueError(await failure(messages.next())).code).toBe("UNAVAILABLE");
    expect((await messages.next()).done).toBe(true);
  });
});

describe("connections", () => {
  test("are opened for calls that are many, and closed ones are passed over", async () => {
    const server = await startScriptedServer();
    const leave = new AbortController();
    const { getJob } = createClient(JobService, transportTo(server.url));
    server.play("open", { ending: "open" });
    server.play("good", { head: PROTO, pieces: [GOOD], ending: "end" });
    server.play("cut", { ending: "cut" });
    const waiting: Promise<unknown>[] = [];
    const wait = () => waiting.push(failure(getJob({}, { ...named("open"), signal: leave.signal })));
    for (let count = 0; count < 32; count++) wait();
    await eventually(async () => server.seen("open").length === 32 || undefined, "the calls that wait");
    expect(server.connections).toBe(1);
    const call = () => within(getJob({}, named("good")), "a call");
    await call();
    await eventually(async () => server.connections === 2 || undefined, "a second connection");
    // The first one breaks, and the calls on it fail; the second one is there.
    await eventually(async () => {
      await call();
      return server.seen("good").some(({ port }) => port !== server.seen("open")[0]?.port) || undefined;
    }, "a call on the second connection");
    expect(toTaskQueueError(await failure(getJob({}, named("cut")))).code).toBe("UNAVAILABLE");
    await call();
    leave.abort();
    await Promise.all(waiting);
    expect(server.connections).toBeLessThanOrEqual(3);
  });
});
