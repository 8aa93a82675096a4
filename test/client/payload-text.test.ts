import { startServer } from "gotaskq/server";
import { describe, expect, test } from "vitest";
import { toCreateRequest } from "../../src/client/convert/new-job.js";
import { completed } from "../../src/client/worker/attempt-outcome.js";
import { startTestServer } from "../support/server.js";
import { atEnd, clientOf, failure, newQueue, RUNTIMES, startWorker } from "./support.js";

/** Nested deeper than a payload may be. */
const DEEP = JSON.parse("[".repeat(40) + "]".repeat(40));

test("payloads and results are sent as the text that JSON.stringify writes, and bytes as a copy", () => {
  const payload = { b: [1e21, "é"], a: new Date(0) as never };
  expect(toCreateRequest({ type: "t", payload }, "").payloadKind).toEqual({
    ...{ case: "payloadJson", value: '{"b":[1e+21,"é"],"a":"1970-01-01T00:00:00.000Z"}' },
  });
  const bytes = Uint8Array.of(1);
  const { payloadKind } = toCreateRequest({ type: "t", payload: bytes }, "");
  bytes[0] = 2;
  expect(payloadKind).toEqual({ case: "payloadBytes", value: Uint8Array.of(1) });
  expect(completed({ b: 1, a: null })).toMatchObject({ resultKind: { case: "resultJson", value: '{"b":1,"a":null}' } });
});

describe.each(RUNTIMES)("a client %s", (_name, connect) => {
  test("names a bad payload as its caller does", async () => {
    const server = await startTestServer();
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const fields = async (call: Promise<unknown>) => (await failure(call)).violations.map(({ field }) => field);
    expect(await fields(client.create({ queue, type: "t", payload: DEEP }))).toEqual(["payload"]);
    expect(await fields(client.createBatch([{ type: "t" }, { queue, type: "t", payload: DEEP }]))).toEqual([
      "requests[1].payload",
    ]);
    const { job } = await client.create({ queue, type: "t", delayMs: 60_000 });
    expect(await fields(client.update(job.id, { payload: DEEP }))).toContain("payload");
    const template = { type: "t", payload: DEEP };
    expect(await fields(client.schedules.create({ queue, name: "s", everyMs: 60_000, job: template }))).toEqual([
      "job.payload",
    ]);
  });
});

test("an attempt whose result the server refuses fails with what is wrong with it", async () => {
  const { url, stop } = await startServer({ env: { PORT: "0", NUM_WORKERS: "0", SHUTDOWN_TIMEOUT: "0" } });
  atEnd(stop);
  const client = clientOf(url);
  await startWorker({ url, handlers: { deep: () => DEEP, good: () => [1] } });
  const [deep, good] = await Promise.all(["deep", "good"].map((type) => client.createAndWait({ type, maxRetries: 0 })));
  expect(deep).toMatchObject({ status: "DEAD", error: expect.stringContaining("the result was refused: ") });
  expect(good).toMatchObject({ status: "DONE", result: [1] });
});
