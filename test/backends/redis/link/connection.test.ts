import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import type { Client } from "../../../../src/backends/redis/link/client.js";
import { Connection } from "../../../../src/backends/redis/link/connection.js";
import { silentLogger } from "../../../../src/model/logger.js";
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
