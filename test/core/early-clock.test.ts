import { expect, test } from "vitest";
import { compareNumbers } from "../../src/model/queue/ids.js";
import { FakeClock } from "../support/fake-clock.js";
import { started } from "./support/fixture.js";

test.each(["1970-01-01", "2001-09-08", "2025-12-31"])("a server whose clock says %s does all its work", async (day) => {
  const clock = new FakeClock();
  clock.stepWall(Date.parse(day) - clock.now());
  let tries = 0;
  const flaky = async () => {
    if (tries++ === 0) throw new Error("once");
    return "done";
  };
  const fixture = await started({ clock, handlers: { flaky } });
  const ids = [
    await fixture.create({ type: "flaky" }),
    await fixture.create({ delayMs: 1000 }),
    await fixture.create(),
  ];
  expect(ids.toSorted(compareNumbers)).toEqual(ids);
  await clock.advance(30_000);
  expect(await fixture.get(ids[0] ?? "")).toMatchObject({ status: "DONE", retryCount: 1 });
  expect((await fixture.engine.queues.get("default")).stats).toMatchObject({ ready: 2, scheduled: 0 });
  expect((await fixture.engine.jobs.list({})).jobs.map(({ id }) => id)).toEqual(ids.toReversed());
  // The clock is put right: ids go on upwards, and nothing waits for it.
  clock.stepWall(Date.UTC(2026, 5, 1) - clock.now());
  const last = await fixture.create({ type: "flaky" });
  expect(compareNumbers(last, ids[2] ?? "")).toBeGreaterThan(0);
  expect(await fixture.get(last)).toMatchObject({ status: "DONE" });
});
