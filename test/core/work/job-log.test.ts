import { describe, expect, test } from "vitest";
import type { Settlement } from "../../../src/core/port/leases.js";
import { createJobLog } from "../../../src/core/work/job-log.js";
import { recordingLogger } from "../../support/logger.js";
import { running } from "../support/fixture.js";
import { ManualHandler } from "../support/manual-handler.js";

const APPLIED = { queue: "mail", type: "send", durationMs: 7 };

describe("the log of jobs", () => {
  test("names a job the same way from its creation to its end, with the attempt once there is one", async () => {
    const logger = recordingLogger();
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { logger });
    const id = await fixture.create({ maxRetries: 0, payload: '"secret"', metadata: { key: "secret" } });
    await manual.run().throws(new Error("no"));
    const job = { job_id: id, queue: "default", type: "work" };
    expect(logger.lines).toMatchObject([
      { level: "debug", message: "a job was created", fields: job },
      { level: "debug", message: "a job was leased", fields: { ...job, attempt: 1, retry_count: 0 } },
      { level: "warn", message: "an attempt failed", fields: { ...job, attempt: 1, retry_count: 0 } },
      { level: "debug", message: "a job was settled", fields: { ...job, outcome: "fail", status: "DEAD" } },
      { level: "warn", message: "a job is dead", fields: { ...job, error: "no" } },
    ]);
    expect(JSON.stringify(logger.lines)).not.toContain("secret");
  });

  test("tells of failures elsewhere and of outcomes that came too late, with the error cut", () => {
    const logger = recordingLogger();
    const log = createJobLog(logger);
    const refs = [
      { jobId: "1@mail", token: "secret-1" },
      { jobId: "2@mail", token: "secret-2" },
    ];
    const settlements: Settlement[] = [
      { outcome: "APPLIED", applied: { ...APPLIED, status: "PENDING" } },
      { outcome: "LEASE_LOST" },
    ];
    const errors = [{ error: "x".repeat(5000) }, { error: "late" }];
    log.failedElsewhere(refs, settlements, errors);
    log.settled("fail", refs, settlements, errors);
    expect(logger.lines).toEqual([
      {
        level: "warn",
        message: "an attempt failed",
        fields: { job_id: "1@mail", queue: "mail", type: "send", error: "x".repeat(1024) },
      },
      {
        level: "debug",
        message: "a job was settled",
        fields: { job_id: "1@mail", queue: "mail", type: "send", outcome: "fail", status: "PENDING", duration_ms: 7 },
      },
      {
        level: "warn",
        message: "an outcome came after its lease had ended",
        fields: { job_id: "2@mail", outcome: "fail" },
      },
    ]);
  });

  test("tells which lease was lost, whose it was, and that it was one too many", () => {
    const logger = recordingLogger();
    const lost = { jobId: "7", queue: "default", type: "work", deliveries: 3, worker: "host/1" };
    createJobLog(logger).lost({ ...lost, status: "DEAD" });
    const fields = { job_id: "7", queue: "default", type: "work", attempt: 3, worker: "host/1" };
    expect(logger.lines).toMatchObject([
      { level: "warn", message: expect.stringContaining("a lease was lost"), fields: { ...fields, status: "DEAD" } },
      { level: "warn", message: "a job is dead", fields },
    ]);
  });

  test("says to which trace a job belongs", async () => {
    const logger = recordingLogger();
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const traceContext = { traceparent: `00-${trace}-00f067aa0ba902b7-01`, tracestate: "", baggage: "secret=1" };
    const fixture = await running(new ManualHandler().handler, { logger });
    await fixture.create({ traceContext });
    expect(logger.lines).toMatchObject([{ fields: { trace_id: trace } }, { fields: { trace_id: trace } }]);
    expect(JSON.stringify(logger.lines)).not.toContain("secret");
  });

  test("costs nothing at debug when nobody reads it, and fails nothing when it cannot be written", () => {
    const broken = () => {
      throw new Error("the disk is full");
    };
    const lines: string[] = [];
    const logger = { debug: broken, info: broken, warn: broken, error: broken, child: broken };
    const log = createJobLog({ ...logger, isLevelEnabled: (level) => level !== "debug" });
    const unread = new Proxy([], { get: () => lines.push("read") });
    log.created(unread, []);
    log.leased(unread);
    log.lost({ jobId: "7", queue: "q", type: "t", status: "PENDING" });
    expect(lines).toEqual([]);
  });
});
