import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { JobSchema } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  type CompleteJobsRequest,
  type ExtendLeasesRequest,
  ExtendResult,
  SettleResult,
} from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { LeaseKeeper } from "../../../src/client/worker/lease-keeper.js";
import { type AttemptHost, WorkerAttempt } from "../../../src/client/worker/worker-attempt.js";
import type { WorkerRpc, WorkerServers } from "../../../src/client/worker/worker-servers.js";
import { WorkerSettler } from "../../../src/client/worker/worker-settler.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { noTracer } from "../../../src/model/log/tracer.js";
import { within } from "../../support/wait.js";
import { atEnd } from "../support.js";

/** Servers whose calls a test answers. */
function serversOf(rpc: Partial<Record<keyof WorkerRpc, unknown>>): WorkerServers {
  return {
    current: rpc as unknown as WorkerRpc,
    urlOf: () => "",
    clientOf: () => Promise.reject(new Error("there is none")) as never,
    leave() {},
    close() {},
  };
}

const HOST: AttemptHost = {
  ...{ logger: silentLogger, tracer: noTracer },
  report() {},
  create: () => Promise.reject(new Error("no handler runs here")),
  createBatch: () => Promise.reject(new Error("no handler runs here")),
};

/** A lease that this worker may still have for so long, ms. */
function attemptOf(id: string, leftMs = 60_000): WorkerAttempt {
  const source = { size: 10, isTaking: true, held: 1 };
  const until = performance.now() + leftMs;
  return new WorkerAttempt(create(JobSchema, { id }), `token-${id}`, until, source, HOST);
}

/** A settler whose calls wait for answers. `next`: the ids in the next call, once it is made. */
function startSettler(capacity: number) {
  const calls: { readonly ids: string[]; readonly answer: () => void }[] = [];
  const seen: (() => void)[] = [];
  const settled: string[] = [];
  const completeJobs = ({ completions }: CompleteJobsRequest) =>
    new Promise((resolve) => {
      const outcomes = completions.map(({ jobId }) => ({ jobId, result: SettleResult.APPLIED }));
      calls.push({ ids: completions.map(({ jobId }) => jobId), answer: () => resolve({ outcomes }) });
      seen.shift()?.();
    });
  const settler = new WorkerSettler({
    ...{ servers: serversOf({ completeJobs }), headersOf: () => undefined, logger: silentLogger, capacity },
    settled: ({ jobId }) => settled.push(jobId),
  });
  let at = 0;
  return {
    ...{ settler, calls, settled },
    complete: (...ids: string[]) => {
      for (const id of ids) settler.add(attemptOf(id), { kind: "complete", resultKind: { case: undefined }, bytes: 0 });
    },
    async next() {
      if (calls.length === at) await within(new Promise<void>((resolve) => seen.push(resolve)), "a call");
      return calls[at++]?.ids;
    },
  };
}

describe("the outcomes of a worker", () => {
  test("go together by turn, and the next do not wait for an answer once they are a quarter of its jobs", async () => {
    const { settler, calls, settled, complete, next } = startSettler(8);
    complete("a", "b", "c");
    expect(await next()).toEqual(["a", "b", "c"]);
    complete("d", "e");
    expect(await next()).toEqual(["d", "e"]);
    complete("f");
    // It waits for company, not for an answer.
    expect(await next()).toEqual(["f"]);
    expect(settled).toEqual([]);
    for (const { answer } of calls) answer();
    await within(settler.idle(), "the end of all outcomes");
    expect(settled).toEqual(["a", "b", "c", "d", "e", "f"]);
  });

  test("are not sent in a pause, and all at its end", async () => {
    const { settler, calls, complete, next } = startSettler(100);
    complete("a");
    expect(await next()).toEqual(["a"]);
    complete("b");
    settler.pause();
    complete("c");
    calls[0]?.answer();
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toHaveLength(1);
    settler.resume();
    expect(await next()).toEqual(["b", "c"]);
    calls[1]?.answer();
    await within(settler.idle(), "the end of all outcomes");
  });
});

test("a worker extends its leases, but for those that are young", async () => {
  let extended = (_ids: string[]) => {};
  const first = new Promise<string[]>((resolve) => {
    extended = resolve;
  });
  const extendLeases = async ({ extensions }: ExtendLeasesRequest) => {
    extended(extensions.map(({ jobId }) => jobId));
    return {
      outcomes: extensions.map(() => ({ result: ExtendResult.OK, leaseExpiresIn: durationFromMs(60_000) })),
    };
  };
  const held = [attemptOf("new", 3_600_000), attemptOf("old", 200), attemptOf("older", 150)];
  const keeper = new LeaseKeeper({
    ...{ servers: serversOf({ extendLeases }), headersOf: () => undefined, logger: silentLogger, leaseMs: 300 },
    ...{ held: () => held, lost: () => {} },
  });
  keeper.start();
  atEnd(() => keeper.stop());
  expect(await within(first, "an extension")).toEqual(["old", "older"]);
});
