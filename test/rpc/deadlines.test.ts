import { create, type DescMessage, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { CreateJobRequestSchema, WatchJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import { LeaseJobsRequestSchema } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { FakeClock } from "../support/fake-clock.js";
import { untilOpenStreams } from "../support/metrics.js";
import { PROTOCOLS, type Protocol } from "../support/protocols.js";
import { codeName, created, payload, present, refusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { TRANSPORTS } from "../support/transports.js";
import { eventually, within } from "../support/wait.js";
import type { Answer } from "../support/wire.js";

/** More than a timer of Node can wait: 24.8 days. */
const FAR_MS = 2 ** 31;

/** Deadlines further away than that, as gRPC and Connect write them; the last are the furthest that they can write. */
const FAR = [
  { "grpc-timeout": `${FAR_MS / 1024}S`, "connect-timeout-ms": String(FAR_MS) },
  { "grpc-timeout": "99999999H", "connect-timeout-ms": "9999999999" },
];
const PASSED = { "grpc-timeout": "0n", "connect-timeout-ms": "0" };

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

/** Resolves when a poll for jobs of this type waits. */
function untilPolling({ info }: TestServer, type: string): Promise<void> {
  return eventually(async () => {
    const { workers } = await info.listWorkers({});
    return workers.some(({ types }) => types.includes(type)) || undefined;
  }, "a poll that waits").then(() => {});
}

/** Sends a request with headers of its own. */
function call<D extends DescMessage>(
  protocol: Protocol,
  [path, desc, init]: readonly [string, D, MessageInitShape<D>],
  headers: Record<string, string>,
): Promise<Answer> {
  const message = create(desc, init);
  return protocol.send(server.url, {
    path: `/gotaskq.v1.${path}`,
    headers: { "content-type": protocol.contentType, ...headers },
    body: protocol.frame(protocol.isJson ? toJsonString(desc, message) : toBinary(desc, message)),
  });
}

const creation = (init: MessageInitShape<typeof CreateJobRequestSchema>) =>
  ["JobService/CreateJob", CreateJobRequestSchema, init] as const;

describe.each(PROTOCOLS.filter(({ unary }) => unary))("a call over $name", (protocol) => {
  test("whose deadline has passed runs nothing, however large it is", async () => {
    const type = `late-${PROTOCOLS.indexOf(protocol)}`;
    for (const text of ["small", "large".repeat(10_000)]) {
      const answer = await call(protocol, creation({ type, payloadKind: payload(text) }), PASSED);
      expect(codeName(present(protocol.errorOf(answer)).code)).toBe("DEADLINE_EXCEEDED");
    }
    expect((await server.jobs.listJobs({ type })).jobs).toEqual([]);
  });

  test("whose deadline is further away than a timer can be is served", async () => {
    for (const headers of FAR) {
      const answer = await call(protocol, creation({ type: "far" }), headers);
      expect(protocol.errorOf(answer)).toBeUndefined();
    }
  });

  test("that waits, with a deadline further away than a timer can be, waits", async () => {
    for (const [index, headers] of FAR.entries()) {
      const type = `awaited-${PROTOCOLS.indexOf(protocol)}-${index}`;
      const poll = { worker: "w", types: [type], maxJobs: 1, wait: durationFromMs(60_000) };
      const answer = call(protocol, ["WorkerService/LeaseJobs", LeaseJobsRequestSchema, poll], headers);
      await untilPolling(server, type);
      await created(server, { type });
      expect(String((await answer).body)).toContain(type);
    }
  });
});

describe.each(PROTOCOLS.filter(({ streams }) => streams))("a stream over $name", (protocol) => {
  test("whose deadline is further away than a timer can be goes on to its end", async () => {
    for (const headers of FAR) {
      const id = await created(server, { type: "watched" });
      const answer = call(protocol, ["JobService/WatchJob", WatchJobRequestSchema, { id }], headers);
      await untilOpenStreams(server, 1);
      await server.jobs.cancelJob({ id });
      expect(protocol.errorOf(await answer)).toBeUndefined();
      await untilOpenStreams(server, 0);
    }
  });

  test("whose deadline has passed opens nothing", async () => {
    const id = await created(server, { type: "watched" });
    const answer = await call(protocol, ["JobService/WatchJob", WatchJobRequestSchema, { id }], PASSED);
    expect(codeName(present(protocol.errorOf(answer)).code)).toBe("DEADLINE_EXCEEDED");
    expect(String(answer.body)).not.toContain(id);
  });
});

describe.each(TRANSPORTS)("a poll for jobs over $name", (kind) => {
  const poll = { worker: "w", types: ["nobody-makes-this"], maxJobs: 1, wait: durationFromMs(60_000) };
  const timeoutMs = 30_000;

  test("that finds none is answered so shortly before its deadline, which would be an error", async () => {
    const clock = new FakeClock();
    const held = await startTestServer({ NUM_WORKERS: "0" }, { clock });
    const answer = held.connect(kind).workers.leaseJobs(poll, { timeoutMs });
    await untilPolling(held, "nobody-makes-this");
    // On this clock only: the deadline itself is far.
    await clock.advance(timeoutMs - 100);
    expect((await within(answer, "the answer to a poll")).leases).toEqual([]);
  });

  test.each([-1, 60_001])("is refused a wait that is out of bounds, whatever its deadline: %d ms", async (ms) => {
    const { workers } = server.connect(kind);
    const seen = await refusal(workers.leaseJobs({ ...poll, wait: durationFromMs(ms) }, { timeoutMs }));
    expect(seen).toMatchObject({ code: "INVALID_ARGUMENT", fields: ["wait"] });
  });
});
