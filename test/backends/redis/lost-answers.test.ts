import { beforeEach, describe, expect, test } from "vitest";
import type { RedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { newJob } from "../../support/job.js";
import { startRedis } from "../../support/redis.js";
import { addDone, createQueue, done, jobOf, leaseOne, only, readAll, statsOf } from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";
import { startProxy } from "./support/proxy.js";

let proxy: Awaited<ReturnType<typeof startProxy>>;
let backend: RedisBackend;
/** Another server, whose connections do not break. */
let witness: RedisBackend;

beforeEach(async () => {
  const redis = await startRedis({ port: true });
  proxy = await startProxy(redis.port ?? 0);
  const prefix = newPrefix();
  ({ backend: witness } = await openBackend({ url: redis.url, prefix }));
  // Redis has the scripts already, so that the first answer is that of the work, and not that a script is missing.
  await witness.remove([await addDone(witness)], ["DONE"]);
  ({ backend } = await openBackend({ url: `redis://127.0.0.1:${proxy.port}`, prefix }));
});

describe("what Redis did before the connection broke is done once:", () => {
  test.each([
    ["a create", {}],
    ["a create with a request id", { requestId: "r" }],
    ["a delayed create", { delayMs: 60_000 }],
  ])("%s", async (_name, given) => {
    const cursor = await witness.head();
    const job = newJob(given);
    proxy.loseNextAnswer();
    expect(only(await backend.enqueue([job])).id).toBe(job.id);
    const { changes } = await readAll(witness, cursor);
    expect(changes.map(({ jobId, revision }) => [jobId, revision])).toEqual([[job.id, 1]]);
    const { ready, scheduled } = await statsOf(witness);
    expect(ready + scheduled).toBe(1);
  });

  test("a create in a full queue, by the very job", async () => {
    await createQueue(witness, "small", { maxDepth: 1 });
    proxy.loseNextAnswer();
    await backend.enqueue([newJob({ queue: "small" })]);
    expect(await statsOf(witness, "small")).toMatchObject({ ready: 1 });
  });

  test("a create over two queues", async () => {
    await createQueue(witness, "other", { maxDepth: 1 });
    const jobs = [newJob(), newJob({ queue: "other" })];
    const cursor = await witness.head();
    proxy.loseNextAnswer();
    expect((await backend.enqueue(jobs)).map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
    expect((await readAll(witness, cursor)).changes).toHaveLength(2);
  });

  test("a completion", async () => {
    const [created] = await backend.enqueue([newJob()]);
    const leased = await leaseOne(backend);
    proxy.loseNextAnswer();
    expect(["APPLIED", "ALREADY_APPLIED"]).toContain(only(await backend.complete([done(leased, "1")])).outcome);
    expect(await jobOf(witness, created?.id ?? "")).toMatchObject({ status: "DONE", revision: 3, result: "1" });
  });
});
