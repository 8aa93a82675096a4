import { createTaskQueue, type Job, type LocalTaskQueue, type NewJob } from "gotaskq";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { recordingLogger } from "../support/logger.js";
import { eventually, within } from "../support/wait.js";
import { createRunner, fixture } from "./support/runners.js";

/** Threads and processes are ended and started again. */
vi.setConfig({ testTimeout: 30_000 });

const MEMORY_BYTES = 48 * 2 ** 20;

describe.each(["threads", "processes"] as const)("a handler in %s", (isolation) => {
  const place = isolation === "threads" ? "thread" : "process";
  const logger = recordingLogger();
  let queue: LocalTaskQueue;

  beforeAll(async () => {
    const options = { size: 3, memoryBytes: MEMORY_BYTES, graceMs: 50, logger };
    const runner = await createRunner(isolation, fixture("troubles.mjs"), options);
    queue = createTaskQueue({ runner, numWorkers: 3, logger, maxRetries: 0, leaseMs: 1000 });
    await queue.start();
  });

  afterAll(() => queue.stop({ timeoutMs: 0 }));

  async function started(task: NewJob): Promise<string> {
    return (await queue.create(task)).job.id;
  }

  const ended = (id: string) => within(queue.wait(id), "the end of a job");
  const run = async (task: NewJob): Promise<Job> => ended(await started(task));

  /** Resolves once the job is RUNNING and has said so by its progress. */
  async function reported(id: string): Promise<void> {
    const seen = async () => {
      for await (const { progress } of queue.watchJob(id)) if (progress !== undefined) return;
    };
    await within(seen(), "the progress of a job");
  }

  /** Runs a job that goes wrong while two others run, which must not notice. */
  async function amongOthers(task: NewJob): Promise<Job> {
    const others = [
      await started({ type: "busy", payload: { ms: 150 } }),
      await started({ type: "busy", payload: { ms: 150 } }),
    ];
    const job = await run(task);
    for (const id of others) expect(await ended(id)).toMatchObject({ status: "DONE", result: "done", deliveries: 1 });
    expect(await run({ type: "echo", payload: 1 })).toMatchObject({ status: "DONE", result: 1 });
    return job;
  }

  test.each(["loop", "loopAfterAwait", "deaf"])(
    "that does not end (%s) is ended by force after its timeout, and alone",
    async (type) => {
      const job = await amongOthers({ type, timeoutMs: 100 });
      expect(job).toMatchObject({ status: "DEAD", error: "ended by force: timed out after 100 ms", lostLeases: 0 });
    },
  );

  test("that was ended by force is retried", async () => {
    const job = await run({ type: "loop", timeoutMs: 50, maxRetries: 1, backoff: { baseDelayMs: 1, maxDelayMs: 1 } });
    expect(job).toMatchObject({ status: "DEAD", retryCount: 1, deliveries: 2 });
    expect(job.attemptErrors.map(({ error }) => error)).toEqual(Array(2).fill("ended by force: timed out after 50 ms"));
  });

  test.each(["loop", "deaf"])(
    "that does not heed a cancel (%s) is ended by force, and its job is CANCELED",
    async (type) => {
      const id = await started({ type });
      await reported(id);
      await queue.cancel(id);
      expect(await ended(id)).toMatchObject({ status: "CANCELED", deliveries: 1 });
    },
  );

  test("that runs out of memory fails its attempt alone", async () => {
    const job = await amongOthers({ type: "hog" });
    expect(job).toMatchObject({ status: "DEAD", error: `the handler's ${place} ended: it ran out of memory` });
  });

  test("that exits fails its attempt alone", async () => {
    const job = await amongOthers({ type: "exits" });
    expect(job).toMatchObject({ status: "DEAD", error: `the handler's ${place} ended: it exited with 3` });
    const later = await amongOthers({ type: "exitsLater" });
    expect(later).toMatchObject({ status: "DEAD", error: `the handler's ${place} ended: it exited with 0` });
  });

  test("that throws what nobody catches fails its attempt alone", async () => {
    const job = await amongOthers({ type: "throwsLater" });
    expect(job).toMatchObject({
      status: "DEAD",
      error: "an error that nobody caught ended the handler: nobody catches this",
    });
  });

  test("that lets go of a promise is done, and the rejection is logged with its job", async () => {
    const id = await started({ type: "rejectsLater" });
    expect(await ended(id)).toMatchObject({ status: "DONE", result: "fine" });
    const told = () => logger.lines.find(({ message }) => message === "an error of a handler was caught by nobody");
    const line = await eventually(async () => told(), "the line of a rejection");
    expect(line.fields.err).toMatchObject({ type: "TypeError", message: "nobody waits for this" });
  });

  test("that blocks its event loop for longer than its lease keeps its job, and its progress is seen", async () => {
    const id = await started({ type: "busy", payload: { ms: 1500 } });
    await reported(id);
    const job = await ended(id);
    expect(job).toMatchObject({ status: "DONE", deliveries: 1, lostLeases: 0 });
  });

  test("that logs faster than anybody reads loses lines, and says how many", async () => {
    const id = await started({ type: "chatters" });
    expect(await ended(id)).toMatchObject({ status: "DONE" });
    const lines = logger.lines.filter(({ fields }) => fields.job_id === id);
    const dropped = lines.filter(({ message }) => message.includes("lines are left out"));
    const kept = lines.filter(({ message }) => message.startsWith("a line of a handler"));
    const lost = dropped.reduce((sum, { fields }) => sum + Number(fields.lines), 0);
    expect(kept.length + lost).toBe(100_000);
    expect(kept.map(({ fields }) => fields.line)).toEqual(
      kept.map(({ fields }) => fields.line).toSorted((a, b) => Number(a) - Number(b)),
    );
    expect(lost).toBeGreaterThan(0);
  });

  test("runs beside at most as many as there are slots", async () => {
    const ids: string[] = [];
    for (let count = 0; count < 20; count++) ids.push(await started({ type: "pid" }));
    const pids = new Set<string>();
    for (const id of ids) pids.add(String((await ended(id)).result));
    expect(pids.size).toBeLessThanOrEqual(3);
    if (isolation === "processes") expect([...pids]).not.toContain(String(process.pid));
  });
});

test("a process that kills itself fails its attempt alone", async () => {
  const runner = await createRunner("processes", fixture("troubles.mjs"), { size: 1 });
  const queue = createTaskQueue({ runner, numWorkers: 1, maxRetries: 0 });
  await queue.start();
  const { job } = await queue.create({ type: "kills" });
  expect(await within(queue.wait(job.id), "the end of a job")).toMatchObject({
    status: "DEAD",
    error: "the handler's process ended: it was killed by SIGKILL, as the system does when memory runs out",
  });
  await queue.stop({ timeoutMs: 0 });
});

describe.each(["threads", "processes"] as const)("a module of handlers in %s", (isolation) => {
  test("may be TypeScript", async () => {
    const runner = await createRunner(isolation, fixture("default-export.ts"));
    expect(runner.types).toEqual(["greet", "mail.send"]);
    const queue = createTaskQueue({ runner });
    await queue.start();
    const { job } = await queue.create({ type: "greet" });
    expect(await within(queue.wait(job.id), "the end of a job")).toMatchObject({ result: "hello from TypeScript" });
    await queue.stop({ timeoutMs: 0 });
  });

  test.each([
    ["missing.ts", /missing\.ts cannot be loaded/],
    ["throws.ts", /throws\.ts cannot be loaded: the database is away/],
    ["nothing.mjs", /nothing\.mjs exports no handler/],
  ])("that cannot be used says why: %s", async (name, problem) => {
    await expect(createRunner(isolation, fixture(name))).rejects.toThrow(problem);
  });
});
