import { Cluster } from "ioredis";
import { describe, expect, test } from "vitest";
import type { Client } from "../../../../src/backends/redis/link/client.js";
import { Masters, slotOf } from "../../../../src/backends/redis/log/masters.js";

/** A cluster that is not connected, whose slots lie where `masterOf` says. */
function cluster() {
  const client = new Cluster([{ host: "127.0.0.1", port: 1 }], { lazyConnect: true });
  const move = (masterOf: (slot: number) => string) => {
    Object.assign(client, { slots: Array.from({ length: 16_384 }, (_, slot) => [masterOf(slot), "replica:1"]) });
    client.emit("refresh");
  };
  return { masters: new Masters(client as unknown as Client), move };
}

describe("the master of a queue", () => {
  test("is told by the slot of its name, as Redis Cluster has it", () => {
    expect(["foo", "123456789"].map(slotOf)).toEqual([12_182, 12_739]);
  });

  test("is named by its first slot, whatever its address; when slots move that is told", () => {
    const { masters, move } = cluster();
    let changes = 0;
    masters.changed = () => changes++;
    move((slot) => (slot < 8000 ? "a:1" : "b:1"));
    expect(["foo", "mail"].map((queue) => masters.of(queue))).toEqual(["8000", "0"]);
    move((slot) => (slot < 8000 ? "c:2" : "d:2"));
    expect(changes).toBe(1);
    move((slot) => (slot < 8000 || slot === slotOf("foo") ? "c:2" : "d:2"));
    expect(["foo", "mail"].map((queue) => masters.of(queue))).toEqual(["0", "0"]);
    expect(changes).toBe(2);
  });

  test("is a part of the slots when there are more masters than fit into a cursor", () => {
    const { masters, move } = cluster();
    move((slot) => `${slot % 100}:1`);
    const seen = new Set(Array.from({ length: 500 }, (_, n) => masters.of(`queue-${n}`)));
    expect(seen.size).toBeLessThanOrEqual(32);
    expect(masters.of("foo")).toBe(String(512 * Math.floor(12_182 / 512)));
  });
});
