import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import type { RecentRuns, RunJob } from "../../../src/core/handler-runner.js";
import { RunTrace } from "../../../src/core/pool/run-trace.js";
import { watchEventLoop } from "../../../src/server/health/event-loop-watch.js";
import { createMeter } from "../../../src/server/metrics/meter.js";
import { FakeClock } from "../../support/fake-clock.js";
import { recordingLogger } from "../../support/logger.js";
import { created, finished, payload } from "../../support/rpc.js";
import { createClients } from "../../support/server.js";
import { startServerProcess } from "../../support/server-process.js";
import { GRPC } from "../../support/transports.js";

const HANDLERS = fileURLToPath(new URL("../../handlers/fixtures/blocks.mjs", import.meta.url));

const job = (id: string, type = "work"): RunJob => ({
  ...{ id, type, queue: "default", payload: undefined, priority: 0, metadata: {} },
  ...{ deliveries: 1, retryCount: 0, timeoutMs: 0, maxRetries: 3, createdAt: 0, traceContext: undefined },
});

describe("the watch of the event loop", () => {
  let clock: FakeClock;
  let logger: ReturnType<typeof recordingLogger>;
  let look: () => void;
  let everyMs: number;

  beforeEach(() => {
    clock = new FakeClock();
    logger = recordingLogger();
  });

  function watch(recent?: () => RecentRuns): void {
    const every = (ms: number, call: () => void) => {
      everyMs = ms;
      look = call;
      return () => {};
    };
    watchEventLoop({ clock, logger, meter: createMeter(), recent, every }, 1000);
  }

  /** Lets the next look come this late. */
  async function late(ms: number): Promise<void> {
    await clock.advance(everyMs + ms);
    look();
  }

  test("says nothing of blocks that are shorter", async () => {
    watch();
    await late(0);
    await late(999);
    expect(logger.lines).toEqual([]);
  });

  test("names the job whose handler blocked it", async () => {
    const trace = new RunTrace(clock);
    watch(() => trace.take());
    const seventh = job("7", "resize");
    const at = trace.called(seventh);
    await clock.advance(1500);
    trace.returned(seventh, at);
    trace.ended(seventh);
    await late(0);
    const fields = { job_id: "7", type: "resize", queue: "default", blocked_ms: 1500 };
    expect(logger.lines).toMatchObject([{ level: "warn", message: "a handler blocked the event loop", fields }]);
    // It is not blamed for the next block.
    await late(1200);
    expect(logger.lines[1]?.fields).toEqual({ blocked_ms: 1200, jobs: [] });
  });

  test("names the jobs that ran when none of them blocked it in its first step", async () => {
    const trace = new RunTrace(clock);
    watch(() => trace.take());
    const [ended, goesOn] = [job("1"), job("2")];
    for (const each of [ended, goesOn]) trace.returned(each, trace.called(each));
    trace.ended(ended);
    await late(1000);
    const jobs = [
      { job_id: "1", type: "work" },
      { job_id: "2", type: "work" },
    ];
    expect(logger.lines[0]?.fields).toEqual({ blocked_ms: 1000, jobs });
    await late(1000);
    expect(logger.lines[1]?.fields).toEqual({ blocked_ms: 1000, jobs: [jobs[1]] });
  });

  test("names some of many jobs", async () => {
    const trace = new RunTrace(clock);
    watch(() => trace.take());
    for (let id = 0; id < 1000; id++) trace.ended(job(String(id)));
    await late(1000);
    expect(logger.lines[0]?.fields.jobs).toHaveLength(16);
  });

  test("names none when handlers run elsewhere", async () => {
    watch();
    await late(1000);
    expect(logger.lines[0]?.fields).toEqual({ blocked_ms: 1000 });
  });
});

test("a server whose event loop is blocked logs by which job, and counts it", async () => {
  const server = await startServerProcess({ HANDLERS, EVENT_LOOP_WARN: "100ms" });
  const clients = createClients(GRPC, server.url);
  const first = await created(clients, { type: "atOnce", payloadKind: payload({ ms: 700 }) });
  await finished(clients, first);
  await server.printed(new RegExp(`"job_id":"${first}".*"msg":"a handler blocked the event loop"`));
  const second = await created(clients, { type: "afterAwait", payloadKind: payload({ ms: 700 }) });
  await finished(clients, second);
  await server.printed(new RegExp(`"jobs":\\[.*"job_id":"${second}".*"msg":"the event loop was blocked`));
  const page = await (await fetch(`${server.url}/metrics`)).text();
  expect(Number(/^gotaskq_event_loop_blocked_total (\d+)$/m.exec(page)?.[1])).toBeGreaterThanOrEqual(2);
  expect(await server.end()).toBe(0);
}, 30_000);
