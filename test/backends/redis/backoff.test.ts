import fc from "fast-check";
import { expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { LIMITS } from "../../../src/model/common/limits.js";
import { backoffDelay } from "../../../src/model/job/backoff.js";
import type { Backoff } from "../../../src/model/job/job.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { startRedis } from "../../support/redis.js";
import { newPrefix } from "./support/open.js";
import { createRunner } from "./support/scripts.js";

const delay = fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: LIMITS.delayMs }));
const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const multiplier = fc.oneof(
  fc.constantFrom(1, 1.1, 1.5, 3, LIMITS.multiplier),
  fc.double({ min: 1, max: LIMITS.multiplier, noNaN: true }),
);
const backoff: fc.Arbitrary<Backoff> = fc.oneof(
  fc.record({ baseDelayMs: delay, maxDelayMs: delay }),
  fc.record({ baseDelayMs: delay, maxDelayMs: delay, multiplier }),
  fc.record({ delaysMs: fc.array(delay, { minLength: 1, maxLength: LIMITS.backoffDelays }) }),
);

test("the script waits to the ms as long as backoffDelay says", async () => {
  const client = (await startRedis()).client();
  let jobs = 0;
  const runner = createRunner(client, newPrefix(), "waits");
  await runner.run("create", "", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
  const retries = fc.integer({ min: 1, max: LIMITS.maxRetries });
  const property = fc.asyncProperty(backoff, retries, fraction, async (given, retry, jitter) => {
    const id = String(119_173_640_645_246_976n + BigInt(jobs++));
    const job = newJob({ id, type: id, maxRetries: LIMITS.maxRetries, backoff: given });
    await runner.run("enqueue", 1, "c", 1, id, writeSpec(job));
    await runner.run("lease", 1, 60_000, "worker", "token", "", "", id);
    // It has used up the retries before.
    const state = String(await client.hget(`${runner.base}states`, id));
    await client.hset(
      `${runner.base}states`,
      id,
      state.slice(0, 4) + String(retry - 1).padStart(3, "0") + state.slice(7),
    );
    await runner.run("fail", id, "token", "no", "", "", `b${jitter}`);
    const after = String(await client.hget(`${runner.base}states`, id));
    expect(after.slice(0, 7)).toBe(`0000${String(retry).padStart(3, "0")}`);
    const wait = Number(after.slice(53, 68)) - runner.now;
    expect(wait).toBe(backoffDelay(given, retry, jitter));
  });
  await fc.assert(property, { numRuns: 300 });
});
