import { describe, expect, test } from "vitest";
import type { HandlerRunner, RunContext, RunOutcome } from "../../../src/core/handler-runner.js";
import type { AttemptAborted } from "../../../src/model/handler/handler.js";
import { settle } from "../../support/fake-clock.js";
import { deferred } from "../support/async.js";
import { started } from "../support/fixture.js";

/** A runner that can end runs; the test says how each goes on. */
function createManualRunner() {
  const runs: { readonly context: RunContext; end(outcome: RunOutcome): Promise<void> }[] = [];
  const stopping = deferred<void>();
  let stops = 0;
  const runner: HandlerRunner = {
    types: ["work"],
    endsRuns: true,
    run(_job, context) {
      const run = deferred<RunOutcome>();
      runs.push({
        context,
        async end(outcome) {
          run.resolve(outcome);
          await settle();
        },
      });
      return run.promise;
    },
    stop() {
      stops++;
      return stopping.promise;
    },
  };
  return { runner, runs, stopping, stops: () => stops };
}

const FORCED: RunOutcome = {
  kind: "fail",
  error: "ended",
  retry: "DEFAULT",
  thrown: new Error("ended"),
  how: "forced",
};

function reasonOf({ signal }: RunContext): string | undefined {
  return signal.aborted ? (signal.reason as AttemptAborted).reason : undefined;
}

describe("a handler that can be ended", () => {
  test("keeps its job after the timeout until it has ended, and the job says that it was by force", async () => {
    const { runner, runs } = createManualRunner();
    const fixture = await started({ runner, numWorkers: 1 });
    const id = await fixture.create({ timeoutMs: 1000, maxRetries: 1 });
    await fixture.create();
    const context = runs[0]?.context as RunContext;
    context.began();
    await fixture.clock.advance(999);
    expect(reasonOf(context)).toBeUndefined();
    await fixture.clock.advance(1);
    expect(reasonOf(context)).toBe("TIMEOUT");
    expect(await fixture.status(id)).toBe("RUNNING");
    // No other job takes its place meanwhile.
    expect(runs).toHaveLength(1);
    await runs[0]?.end(FORCED);
    expect(await fixture.get(id)).toMatchObject({
      status: "PENDING",
      error: "ended by force: timed out after 1000 ms",
    });
    expect(runs).toHaveLength(2);
  });

  test("has timed out also when it ends by itself then, even with a result", async () => {
    const { runner, runs } = createManualRunner();
    const fixture = await started({ runner });
    const id = await fixture.create({ timeoutMs: 1000, maxRetries: 0 });
    runs[0]?.context.began();
    await fixture.clock.advance(1000);
    await runs[0]?.end({ kind: "complete", result: "1" });
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: "timed out after 1000 ms" });
  });

  test("has its whole timeout, however long it takes to begin", async () => {
    const { runner, runs } = createManualRunner();
    const fixture = await started({ runner });
    const id = await fixture.create({ timeoutMs: 1000 });
    await fixture.clock.advance(5000);
    runs[0]?.context.began();
    await fixture.clock.advance(999);
    await runs[0]?.end({ kind: "complete", result: "1" });
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: "1" });
  });

  test("takes up its slot after its lease was lost until it has ended", async () => {
    const { runner, runs } = createManualRunner();
    const fixture = await started({ runner, numWorkers: 1, leaseMs: 3000 });
    const id = await fixture.create();
    await fixture.create();
    fixture.faults.set("extend", async () => [{ outcome: "LEASE_LOST" }]);
    await fixture.clock.advance(1000);
    expect(reasonOf(runs[0]?.context as RunContext)).toBe("LEASE_LOST");
    expect(fixture.engine.activeWorkers).toBe(1);
    expect(runs).toHaveLength(1);
    fixture.faults.set("extend", (run) => run());
    await runs[0]?.end(FORCED);
    expect(runs).toHaveLength(2);
    expect(await fixture.get(id)).toMatchObject({ retryCount: 0 });
  });

  test("has ended before its job is given back at shutdown", async () => {
    const { runner, runs, stopping, stops } = createManualRunner();
    const fixture = await started({ runner });
    const id = await fixture.create();
    const stopped = fixture.engine.stop(0);
    await fixture.clock.advance(499);
    expect(reasonOf(runs[0]?.context as RunContext)).toBe("SHUTDOWN");
    expect(stops()).toBe(0);
    await fixture.clock.advance(1);
    expect(stops()).toBe(1);
    expect(await fixture.status(id)).toBe("RUNNING");
    stopping.resolve();
    await settle();
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 0 });
    await stopped;
  });
});
