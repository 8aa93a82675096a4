import { describe, expect, test } from "vitest";
import { ByteGate, ByteGates } from "../../../../src/backends/redis/link/byte-gate.js";
import { settle } from "../../../support/fake-clock.js";

const KIB = 1024;

/** Calls through a gate that are answered when the test says so. */
function calling(pass: (bytes: number, send: () => Promise<void>) => Promise<void>) {
  const sent: string[] = [];
  const open = new Map<string, { resolve(): void; reject(error: Error): void }>();
  return {
    sent,
    async call(name: string, bytes: number): Promise<Promise<void>[]> {
      const done = pass(bytes, () => {
        sent.push(name);
        return new Promise((resolve, reject) => open.set(name, { resolve, reject }));
      });
      done.catch(() => {});
      await settle();
      return [done];
    },
    async answer(name: string, error?: Error): Promise<void> {
      if (error === undefined) open.get(name)?.resolve();
      else open.get(name)?.reject(error);
      await settle();
    },
  };
}

describe("calls of many bytes", () => {
  test("beyond the most at a time wait for their turn, in order, and small ones do not", async () => {
    const gate = new ByteGate(100 * KIB);
    const { sent, call, answer } = calling((bytes, send) => gate.pass(bytes, send));
    await call("a", 60 * KIB);
    await call("b", 50 * KIB);
    await call("c", 20 * KIB);
    await call("small", KIB);
    expect(sent).toEqual(["a", "small"]);
    await answer("a");
    expect(sent).toEqual(["a", "small", "b", "c"]);
    for (const name of ["b", "c"]) await answer(name);
    expect(gate.isIdle).toBe(true);
  });

  test("one larger than that goes alone", async () => {
    const gate = new ByteGate(100 * KIB);
    const { sent, call, answer } = calling((bytes, send) => gate.pass(bytes, send));
    await call("large", 900 * KIB);
    await call("next", 20 * KIB);
    expect(sent).toEqual(["large"]);
    await answer("large");
    expect(sent).toEqual(["large", "next"]);
  });

  test("one that fails makes room too, and its caller learns of it", async () => {
    const gate = new ByteGate(100 * KIB);
    const { sent, call, answer } = calling((bytes, send) => gate.pass(bytes, send));
    const [failing] = await call("a", 90 * KIB);
    await call("b", 90 * KIB);
    await answer("a", new Error("gone"));
    await expect(failing).rejects.toThrow("gone");
    expect(sent).toEqual(["a", "b"]);
  });

  test.each([
    [false, ["a"]],
    [true, ["a", "b"]],
  ])("wait for those of other queues only where one server has both (by queue: %s)", async (isByQueue, expected) => {
    const gates = new ByteGates(isByQueue);
    let queue = 0;
    const { sent, call } = calling((bytes, send) => gates.pass(`q${queue++}`, bytes, send));
    await call("a", 8192 * KIB);
    await call("b", 20 * KIB);
    expect(sent).toEqual(expected);
  });
});
