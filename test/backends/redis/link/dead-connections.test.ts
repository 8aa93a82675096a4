import { expect, test } from "vitest";
import { startRedis } from "../../../support/redis.js";
import { signal } from "../../../support/signal.js";
import { eventually, within } from "../../../support/wait.js";
import { newPrefix, openEngine } from "../support/open.js";
import { startProxy } from "../support/proxy.js";

test("connections that go dead without a word are given up at the next call, that of the channel too", async () => {
  const redis = await startRedis({ port: true });
  const proxy = await startProxy(redis.port ?? 0);
  const prefix = newPrefix();
  const other = await openEngine({ url: redis.url, prefix }, { numWorkers: 0 });
  let ran = signal();
  const engine = await openEngine(
    { url: `redis://127.0.0.1:${proxy.port}`, prefix },
    { handlers: { work: () => ran.fire() } },
  );
  await other.jobs.create({ type: "work" });
  await within(ran.fired, "a run before");
  // Its completion too, so that no call is in flight when the connections die.
  const isIdle = async () => (engine.activeWorkers === 0 ? true : undefined);
  await eventually(isIdle, "the end of the job");

  proxy.deaden();
  ran = signal();
  const refused = within(engine.jobs.create({ type: "later" }), "the answer to a create", 2000);
  await expect(refused).rejects.toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
  for (const isAvailable of [false, true]) {
    const check = async () => (engine.isAvailable === isAvailable ? true : undefined);
    await eventually(check, isAvailable ? "the server to go on" : "the server to notice");
  }
  // Only the channel can tell it about this job.
  await other.jobs.create({ type: "work" });
  await within(ran.fired, "a run after", 1000);
});
