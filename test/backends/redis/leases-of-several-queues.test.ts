import { describe, expect, test } from "vitest";
import { createSystemClock } from "../../../src/core/clock.js";
import { startSharedRedis } from "../../support/redis.js";
import { add, createQueue, lease, statsOf } from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";

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
    const slow = { ...clock, monotonic: () => clock.monotonic() + (ahead += 30) };
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
