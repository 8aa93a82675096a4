import { beforeEach, describe, expect, test } from "vitest";
import type { RunContext, RunJob, RunOutcome } from "../../src/core/handler-runner.js";
import type { HostedRun, PlaceEnd } from "../../src/handlers/host.js";
import { IsolatedRunner } from "../../src/handlers/isolated-runner.js";
import type { FromRun, ToRun } from "../../src/handlers/messages.js";
import { TaskQueueError } from "../../src/model/common/errors.js";
import { type AbortReason, attemptAborted, type EnqueuedJob } from "../../src/model/handler/handler.js";
import type { JobRequest } from "../../src/model/request/validate.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { recordingLogger } from "../support/logger.js";

const GRACE_MS = 1000;

const JOB: RunJob = {
  ...{ id: "7", queue: "default", type: "work", payload: "1", priority: 0, metadata: {} },
  ...{ deliveries: 1, retryCount: 0, maxRetries: 3, timeoutMs: 0, createdAt: 0, traceContext: undefined },
  ...{ key: "acme", schedule: "nightly", scheduledFor: 5 },
};

/** A run whose thread or process is played by the test. */
function start(clock: FakeClock) {
  const sent: ToRun[] = [];
  const given: RunJob[] = [];
  const abort = new AbortController();
  let kills = 0;
  let hear: (message: FromRun) => void = () => {};
  let end: (end: PlaceEnd | undefined) => void = () => {};
  const hosted: HostedRun = {
    send: (message) => void sent.push(message),
    kill: () => void kills++,
    over: new Promise((resolve) => {
      end = resolve;
    }),
  };
  const host = {
    place: "thread",
    start: async () => ["work"],
    run(job: RunJob, listener: (message: FromRun) => void) {
      given.push(job);
      hear = listener;
      return hosted;
    },
    stop: async () => {},
  };
  let begun = 0;
  const asked: { readonly request: JobRequest; resolve(job: EnqueuedJob): void; reject(error: unknown): void }[] = [];
  const batches: (readonly JobRequest[])[] = [];
  const context: RunContext = {
    signal: abort.signal,
    logger: recordingLogger(),
    ...{ attempt: 1, deadline: undefined },
    enqueue: () => Promise.reject(new Error("the server has no use for this")),
    enqueueBatch: () => Promise.reject(new Error("the server has no use for this")),
    create: (request) => new Promise((resolve, reject) => asked.push({ request, resolve, reject })),
    async createBatch(requests) {
      batches.push(requests);
      return requests.map((_, at) => ({ id: String(at), deduplicated: at > 0, replaced: false }));
    },
    progress() {},
    began: () => void begun++,
  };
  const runner = new IsolatedRunner(host, ["work"], clock, { graceMs: GRACE_MS });
  const state: { outcome: RunOutcome | undefined } = { outcome: undefined };
  void runner.run(JOB, context).then((outcome) => {
    state.outcome = outcome;
  });
  return {
    ...{ sent, given, state, asked, batches },
    kills: () => kills,
    begun: () => begun,
    hear: (message: FromRun) => hear(message),
    abort: (reason: AbortReason) => abort.abort(attemptAborted(reason, "server")),
    async over(why?: string) {
      end(why === undefined ? undefined : { why });
      await settle();
      return state.outcome;
    },
  };
}

const DONE: FromRun = { kind: "outcome", outcome: { kind: "complete", result: "2" } };

describe("a run in a thread or process", () => {
  let clock: FakeClock;
  let run: ReturnType<typeof start>;

  beforeEach(() => {
    clock = new FakeClock();
    run = start(clock);
  });

  test("is given all that a handler sees of its job", () => {
    expect(run.given).toEqual([JOB]);
  });

  test("has its outcome, and leaves no timer behind", async () => {
    run.hear({ kind: "began" });
    expect(run.begun()).toBe(1);
    run.hear(DONE);
    expect(await run.over()).toEqual({ kind: "complete", result: "2" });
    expect(clock.timers).toBe(0);
  });

  test("is answered what came of each job that it creates", async () => {
    run.hear({ kind: "began" });
    for (const number of [0, 1, 2]) {
      run.hear({ kind: "create", number, requests: [{ type: "next", priority: number }], isBatch: false });
    }
    const batch = [{ type: "a" }, { type: "b" }];
    run.hear({ kind: "create", number: 3, requests: batch, isBatch: true });
    expect(run.asked.map(({ request }) => request.priority)).toEqual([0, 1, 2]);
    run.asked[2]?.resolve({ id: "9", deduplicated: false, replaced: false });
    run.asked[0]?.reject(new TaskQueueError("QUEUE_FULL", "full", { metadata: { queue: "default" } }));
    run.asked[1]?.reject(new Error("broken"));
    await settle();
    const created = Object.fromEntries(
      run.sent.flatMap((each) => (each.kind === "created" ? [[each.number, each.answer]] : [])),
    );
    expect(created[2]).toEqual([{ id: "9", deduplicated: false, replaced: false }]);
    expect(created[3]).toEqual([
      { id: "0", deduplicated: false, replaced: false },
      { id: "1", deduplicated: true, replaced: false },
    ]);
    expect(run.batches).toEqual([batch]);
    expect(created[0]).toMatchObject({ message: "full", reason: "QUEUE_FULL", metadata: { queue: "default" } });
    expect(created[1]).toEqual({ message: "broken" });
  });

  test("has its outcome also when its thread ends right after it", async () => {
    run.hear({ kind: "began" });
    run.hear(DONE);
    expect(await run.over("it exited with 0")).toEqual({ kind: "complete", result: "2" });
  });

  test("is told once that its signal is aborted, and is ended by force after the grace period", async () => {
    run.hear({ kind: "began" });
    run.abort("TIMEOUT");
    expect(run.sent).toEqual([{ kind: "abort", reason: "TIMEOUT" }]);
    await clock.advance(GRACE_MS - 1);
    expect(run.kills()).toBe(0);
    await clock.advance(1);
    expect(run.kills()).toBe(1);
    expect(run.state.outcome).toBeUndefined();
    const error = "ended by force: the attempt took longer than the job's timeout";
    expect(await run.over("it exited with 1")).toMatchObject({ kind: "fail", error, retry: "DEFAULT", how: "forced" });
    expect(clock.timers).toBe(0);
  });

  test("is not ended when it ends by itself within the grace period", async () => {
    run.hear({ kind: "began" });
    run.abort("CANCELED");
    run.hear(DONE);
    expect(await run.over()).toEqual({ kind: "complete", result: "2" });
    await clock.advance(2 * GRACE_MS);
    expect(run.kills()).toBe(0);
  });

  test("is left to the pool at shutdown", async () => {
    run.hear({ kind: "began" });
    run.abort("SHUTDOWN");
    await clock.advance(10 * GRACE_MS);
    expect([run.sent.length, run.kills()]).toEqual([1, 0]);
  });

  test("that has not begun is ended at once when its signal is aborted", async () => {
    run.abort("CANCELED");
    expect([run.sent.length, run.kills()]).toEqual([0, 1]);
    const error = "ended by force: the job was cancelled";
    expect(await run.over("it did not begin")).toMatchObject({ error, how: "forced" });
  });

  test("that does not begin within a minute is ended by force", async () => {
    await clock.advance(59_999);
    expect(run.kills()).toBe(0);
    await clock.advance(1);
    expect(run.kills()).toBe(1);
    expect(await run.over("it exited with 1")).toMatchObject({
      error: "ended by force: it did not begin within 60000 ms",
    });
  });

  test("is given up when its thread does not end for 5 s although it was killed", async () => {
    run.hear({ kind: "began" });
    run.abort("TIMEOUT");
    await clock.advance(GRACE_MS + 4999);
    expect(run.state.outcome).toBeUndefined();
    await clock.advance(1);
    expect(run.state.outcome).toMatchObject({ kind: "fail", how: "forced" });
  });

  test("that did not begin, and begins after all when it is killed, has no timeout any more", async () => {
    run.abort("LEASE_LOST");
    run.hear({ kind: "began" });
    expect(run.begun()).toBe(0);
  });

  test("tells why its thread ended by itself", async () => {
    run.hear({ kind: "began" });
    expect(await run.over("it ran out of memory")).toMatchObject({
      error: "the handler's thread ended: it ran out of memory",
      retry: "DEFAULT",
      how: "crashed",
    });
  });

  test("tells how much of its log was read, from time to time", () => {
    run.hear({ kind: "began" });
    const line: FromRun = { kind: "log", level: "info", fields: "{}", message: "x", size: 50_000 };
    for (let count = 0; count < 6; count++) run.hear(line);
    expect(run.sent).toEqual([
      { kind: "read", size: 150_000 },
      { kind: "read", size: 150_000 },
    ]);
  });
});
