import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import type { Client } from "../../../../src/backends/redis/link/client.js";
import { Connection } from "../../../../src/backends/redis/link/connection.js";
import { silentLogger } from "../../../../src/model/log/logger.js";
import { FakeClock } from "../../../support/fake-clock.js";

test("calls that get no answer make the client connect anew once: a cluster client told again while it connects never does", async () => {
  let disconnects = 0;
  const client = Object.assign(new EventEmitter(), {
    status: "ready",
    disconnect() {
      disconnects++;
      client.status = "connecting";
    },
  });
  const clock = new FakeClock();
  const connection = new Connection(client as unknown as Client, clock, silentLogger);
  const call = () => connection.call(() => new Promise<never>(() => {}));
  const calls = [call()];
  await clock.advance(10);
  calls.push(call());
  const ends = Promise.allSettled(calls);
  await clock.advance(2000);
  for (const { status } of await ends) expect(status).toBe("rejected");
  expect(disconnects).toBe(1);
});

test("a call waits longer while Redis answers what was asked before, and its connection is not cut", async () => {
  let disconnects = 0;
  const client = Object.assign(new EventEmitter(), { status: "ready", disconnect: () => disconnects++ });
  const clock = new FakeClock();
  const connection = new Connection(client as unknown as Client, clock, silentLogger);
  const open: (() => void)[] = [];
  const call = () => connection.call(() => new Promise<string>((resolve) => open.push(() => resolve("answer"))));
  const calls = Array.from({ length: 5 }, call);
  await clock.advance(0);
  for (const answer of open.splice(0)) {
    await clock.advance(1500);
    answer();
  }
  expect(await Promise.all(calls)).toEqual(Array(5).fill("answer"));
  expect(disconnects).toBe(0);
  // One that is silent is away, as ever.
  const silent = call().catch((error) => error.reason);
  await clock.advance(3500);
  expect(await silent).toBe("BACKEND_UNAVAILABLE");
  expect(disconnects).toBe(1);
});
