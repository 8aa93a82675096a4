import { setMaxListeners } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { createSystemClock } from "../../../src/core/clock.js";
import { startSharedRedis } from "../../support/redis.js";
import { eventually } from "../../support/wait.js";
import { add, createQueue, lease, statsOf } from "../contract/support.js";
import { commandCounts, newPrefix, openBackend, openEngine } from "./support/open.js";

const redis = await startSharedRedis();

describe("one lease call over several queues", () => {
  test("hands on what earlier queues gave when a later one fails, and does not fail for that one alone", async () => {
    const prefix = newPrefix();
    const { backend } = await openBackend({ url: redis.url, prefix });
    for (const name of ["x", "y", "z"]) await createQueue(backend, name);
    await redis.client().set(`${prefix}:{y}:ready:echo`, "not a line");
    await add(backend, { queue: "x" }, { queue: "z" });
    expect((await lease(backend, { queues: ["x", "y"] })).map(({ job }) => job.queue)).toEqual(["x"]);
    expect((await lease(backend, { queues: ["y", "z"] })).map(({ job }) => job.queue)).toEqual(["z"]);
    await expect(lease(backend, { queues: ["y"] })).rejects.toThrow("WRONGTYPE");
    expect(await statsOf(backend, "x")).toMatchObject({ ready: 0, running: 1 });
  });

  test("does not let leases run while it asks other queues for long, and says what is left of them", async () => {
    const clock = createSystemClock();
    let ahead = 0;
    // Every look at this clock takes a while.
    const slow = {
      ...clock,
      monotonic() {
        ahead += 30;
        return clock.monotonic() + ahead;
      },
    };
    const { backend } = await openBackend({ url: redis.url, prefix: newPrefix() }, { clock: slow });
    const names = ["a", "b", "c", "d"];
    for (const queue of names) {
      await createQueue(backend, queue);
      await add(backend, { queue });
    }
    const first = await lease(backend, { queues: names, leaseMs: 5000 });
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThan(names.length);
    for (const { expiresInMs } of first) expect(expiresInMs).toBeLessThan(5000);
    // The others are as they were: the next call gets them.
    const rest = names.slice(first.length);
    expect((await lease(backend, { queues: names })).map(({ job }) => job.queue)).toEqual(rest.slice(0, 1));
  });
});

describe("where work is", () => {
  test("only the queue and the worker that a job concerns cost calls, however many there are", async () => {
    const engine = await openEngine({ url: redis.url, prefix: newPrefix() }, { numWorkers: 0 });
    const leave = new AbortController();
    onTestFinished(() => leave.abort());
    setMaxListeners(0, leave.signal);
    const queues = Array.from({ length: 12 }, (_, at) => `q${at}`);
    for (const queue of queues) await engine.queues.create(queue);
    const ran = new Map<string, number>();
    for (let at = 0; at < 100; at++) {
      const request = { worker: `w${at}`, queues: [], types: [`type-${at}`], maxInFlight: 10 };
      void (async () => {
        for await (const event of engine.remote.stream(request, leave.signal)) {
          if (event.kind !== "lease") continue;
          const { job, token } = event.lease;
          ran.set(job.id, at);
          await engine.remote.complete([{ jobId: job.id, token, result: undefined }]);
        }
      })().catch(() => {});
    }
    const admin = redis.client();
    const run = async (at: number) => {
      const { job } = await engine.jobs.create({ queue: queues[at % queues.length] as string, type: `type-${at}` });
      await eventually(async () => ran.get(job.id), "the job to run");
      expect(ran.get(job.id)).toBe(at);
    };
    await run(0);
    await admin.config("RESETSTAT");
    for (let at = 1; at <= 20; at++) await run(at * 4);
    // Create, lease, look for more, complete; and now and then a sweep.
    expect((await commandCounts(admin)).get("evalsha") ?? 0).toBeLessThanOrEqual(20 * 6);
  });

  test("a server that starts finds what is ready, and what was due meanwhile, without asking the other queues", async () => {
    const at = { url: redis.url, prefix: newPrefix() };
    const { backend } = await openBackend(at);
    const queues = Array.from({ length: 50 }, (_, n) => `q${n}`);
    for (const queue of queues) await createQueue(backend, queue);
    await add(
      backend,
      { queue: "q7", type: "work" },
      { queue: "q9", type: "work", delayMs: 1 },
      { queue: "q11", type: "x" },
    );
    const ran: string[] = [];
    await openEngine(at, { handlers: { work: ({ queue }) => void ran.push(queue) } });
    await eventually(async () => (ran.length === 2 ? true : undefined), "both jobs to run");
    expect(ran.toSorted()).toEqual(["q7", "q9"]);
  });
});
