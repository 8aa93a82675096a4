import { expect, test } from "vitest";
import { Gate } from "../../../../src/backends/redis/log/gate.js";
import { FakeClock } from "../../../support/fake-clock.js";

test("a gate is closed and opened in turn, however often it is asked to", async () => {
  const told: string[] = [];
  const gate = new Gate(new FakeClock(), { closed: () => told.push("closed"), opened: () => told.push("opened") });
  await gate.wait();
  gate.begin();
  gate.begin();
  const waiting = gate.wait();
  gate.end();
  gate.end();
  await waiting;
  gate.begin();
  expect(told).toEqual(["closed", "opened", "closed"]);
});
