import { expect, test } from "vitest";
import { startRedis } from "../../../support/redis.js";
import { signal } from "../../../support/signal.js";
import { eventually, within } from "../../../support/wait.js";
import { newPrefix, openEngine } from "../support/open.js";
import { startProxy } from "../support/proxy.js";

/** Two engines on one Redis: `engine` behind a proxy, which runs the jobs, and `other` beside it. */
async function openTwo() {
  const redis = await startRedis({ port: true });
  const proxy = await startProxy(redis.port ?? 0);
  const prefix = newPrefix();
  const other = await openEngine({ url: redis.url, prefix }, { numWorkers: 0 });
  const runs = { next: signal() };
  const engine = await openEngine(
    { url: `redis://127.0.0.1:${proxy.port}`, prefix },
    { handlers: { work: () => runs.next.fire() } },
  );
  await other.jobs.create({ type: "work" });
  await within(runs.next.fired, "a run before");
  // Its completion, too: so that nothing is under way when the connections die.
  await eventually(async () => (engine.activeWorkers === 0 ? true : undefined), "the end of the job");
  runs.next = signal();
  const until = (isAvailable: boolean) => {
    const what = isAvailable ? "the server to go on" : "the server to notice";
    return eventually(async () => (engine.isAvailable === isAvailable ? true : undefined), what);
  };
  return { proxy, engine, other, runs, until };
}

test("connections that go dead without a word are given up at the next call, that of the channel too", async () => {
  const { proxy, engine, other, runs, until } = await openTwo();
  proxy.deaden();
  const refused = within(engine.jobs.create({ type: "later" }), "the answer to a create", 2000);
  await expect(refused).rejects.toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
  await until(false);
  await until(true);
  // Only the channel can tell it of this job.
  await other.jobs.create({ type: "work" });
  await within(runs.next.fired, "a run after", 1000);
});

test.each(["the channel's", "all"] as const)(
  "connections that go dead while nobody asks anything are given up by themselves: %s",
  async (which) => {
    const { proxy, other, runs, until } = await openTwo();
    proxy.deaden(which);
    await other.jobs.create({ type: "work" });
    await until(false);
    await within(runs.next.fired, "a run after");
    await until(true);
  },
);

test("connections that are accepted and not answered are given up, and the server goes on soon after", async () => {
  const { proxy, other, runs, until } = await openTwo();
  const speak = proxy.hush();
  await until(false);
  // Both connections have been made anew, twice, and each time for nothing.
  const before = proxy.accepted;
  await eventually(async () => (proxy.accepted >= before + 4 ? true : undefined), "other connections");
  speak();
  await until(true);
  await other.jobs.create({ type: "work" });
  await within(runs.next.fired, "a run after", 1000);
});
