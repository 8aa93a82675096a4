import { create, type DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createTransportClient } from "gotaskq/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  CreateJobRequestSchema,
  CreateJobResponseSchema,
  WatchJobsResponseSchema,
} from "../../gen/gotaskq/v1/job_service_pb.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Rejects when a call is ended. */
function ended(signal: AbortSignal | undefined, timeoutMs: number | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(ConnectError.from(signal.reason)));
    if (timeoutMs === undefined) return;
    setTimeout(() => reject(new ConnectError("the operation timed out", Code.DeadlineExceeded)), timeoutMs);
  });
}

/** A server that answers nothing but creates, and these after so long; and what it was asked for. */
function slowServer(createMs: number) {
  const asked: { name: string; timeoutMs: number | undefined; requestId: string }[] = [];
  const transport = {
    async unary(method: DescMethod, signal?: AbortSignal, timeoutMs?: number, _headers?: unknown, input?: object) {
      const { requestId } = create(CreateJobRequestSchema, input ?? {});
      asked.push({ name: method.name, timeoutMs, requestId });
      if (method.name !== "CreateJob") return ended(signal, timeoutMs);
      await new Promise((resolve) => setTimeout(resolve, createMs));
      const message = create(CreateJobResponseSchema, { job: { id: "1" } });
      return { stream: false, service: {}, method, header: new Headers(), trailer: new Headers(), message };
    },
    stream: (_method: DescMethod, signal?: AbortSignal, timeoutMs?: number) => ended(signal, timeoutMs),
  } as unknown as Transport;
  return { transport, asked };
}

describe("the time of a call", () => {
  test("is its own, whatever it goes with and the client allows", async () => {
    const { transport, asked } = slowServer(0);
    const client = createTransportClient(transport, { timeoutMs: 1000 });
    const ends: string[] = [];
    const note = (name: string, call: Promise<unknown>) => call.catch(({ message }) => ends.push(`${name} ${message}`));
    const calls = [
      note("short", client.get("1", { timeoutMs: 20 })),
      note("plain", client.get("2")),
      note("long", client.queues.list({ timeoutMs: 5000 })),
    ];
    await vi.advanceTimersByTimeAsync(20);
    expect(ends).toEqual(["short the call took longer than 20 ms"]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(ends.slice(1)).toEqual(["plain the operation timed out"]);
    await vi.advanceTimersByTimeAsync(4000);
    await Promise.all(calls);
    expect(ends.slice(2)).toEqual(["long the call took longer than 5000 ms"]);
    expect(asked.map(({ name, timeoutMs }) => [name, timeoutMs])).toEqual([
      ["ListQueues", 5000],
      ["BatchGetJobs", 1000],
    ]);
  });

  test("is that of a create and its wait together", async () => {
    const client = createTransportClient(slowServer(30).transport);
    const late = vi.fn();
    client.createAndWait({ type: "echo" }, { timeoutMs: 50 }).catch(late);
    await vi.advanceTimersByTimeAsync(49);
    expect(late).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(late).toHaveBeenCalledWith(expect.objectContaining({ message: "the call took longer than 50 ms" }));
  });
});

test("a stream that breaks as soon as it is open is not opened again at once, though there are other servers", async () => {
  let opened = 0;
  const heartbeat = create(WatchJobsResponseSchema, { event: { case: "heartbeat", value: {} } });
  const stream = async () => {
    opened++;
    const message = (async function* () {
      yield heartbeat;
      throw new ConnectError("broken", Code.Unavailable);
    })();
    return { header: new Headers(), trailer: new Headers(), message };
  };
  const client = createTransportClient({ stream } as unknown as Transport, {}, { servers: 2 });
  const leave = new AbortController();
  const watch = (async () => {
    for await (const _ of client.watchJobs({}, { signal: leave.signal }));
  })();
  const left = expect(watch).rejects.toThrow("left");
  await vi.advanceTimersByTimeAsync(0);
  expect(opened).toBe(1);
  await vi.advanceTimersByTimeAsync(1000);
  expect(opened).toBeGreaterThan(5);
  expect(opened).toBeLessThan(30);
  leave.abort(new Error("left"));
  await left;
});

test("a create with an empty request id has one of the client: it may be tried again", async () => {
  const { transport, asked } = slowServer(0);
  const created = createTransportClient(transport).create({ type: "echo", requestId: "" });
  await vi.advanceTimersByTimeAsync(1);
  expect(await created).toMatchObject({ deduplicated: false });
  expect(asked[0]?.requestId).toMatch(/^auto:/);
});
