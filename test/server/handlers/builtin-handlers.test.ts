import { describe, expect, test } from "vitest";
import { createBuiltinHandlers } from "../../../src/server/handlers/builtin-handlers.js";
import { type Fixture, started } from "../../core/support/fixture.js";
import { FakeClock, settle } from "../../support/fake-clock.js";

/** An engine with the built-in handlers. */
function builtin(): Promise<Fixture> {
  const clock = new FakeClock();
  return started({ clock, handlers: createBuiltinHandlers(clock) });
}

describe("logger", () => {
  test("takes 500 ms", async () => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "logger", payload: '{"hello":1}' });
    await fixture.clock.advance(499);
    expect(await fixture.status(id)).toBe("RUNNING");
    await fixture.clock.advance(1);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: undefined });
  });
});

describe("echo", () => {
  test.each(['{"a":[1]}', "null", '"text"', undefined, new Uint8Array([0, 255])])("returns %s", async (payload) => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "echo", payload });
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: payload });
  });
});

describe("sleep", () => {
  test("takes as long as it is told", async () => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "sleep", payload: '{"ms":70}' });
    await fixture.clock.advance(69);
    expect(await fixture.status(id)).toBe("RUNNING");
    await fixture.clock.advance(1);
    expect(await fixture.status(id)).toBe("DONE");
  });

  test.each([undefined, "{}", "null", "7"])("takes no time for the payload %s", async (payload) => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "sleep", payload });
    await fixture.clock.advance(0);
    expect(await fixture.status(id)).toBe("DONE");
  });

  test.each(['{"ms":-1}', '{"ms":"long"}', '{"ms":{}}'])("fails for the payload %s", async (payload) => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "sleep", payload, maxRetries: 0 });
    expect(await fixture.get(id)).toMatchObject({
      status: "DEAD",
      error: 'the payload of sleep must be {"ms": number}',
    });
  });

  test("stops at once when the job is cancelled, and leaves no timer", async () => {
    const fixture = await builtin();
    const before = fixture.clock.timers;
    const id = await fixture.create({ type: "sleep", payload: '{"ms":60000}' });
    expect(fixture.clock.timers).toBe(before + 1);
    await fixture.engine.jobs.cancel(id);
    await settle();
    expect(await fixture.status(id)).toBe("CANCELED");
    expect(fixture.clock.timers).toBe(before);
  });

  test("stops at once when it is aborted before it begins", async () => {
    const clock = new FakeClock();
    const { sleep } = createBuiltinHandlers(clock);
    const reason = new Error("gone");
    const context = { signal: AbortSignal.abort(reason) } as Parameters<NonNullable<typeof sleep>>[1];
    const job = { payload: { ms: 1000 } } as Parameters<NonNullable<typeof sleep>>[0];
    await expect(sleep?.(job, context)).rejects.toBe(reason);
    expect(clock.timers).toBe(0);
  });
});

describe("fail", () => {
  test("throws the message it is told, until the job is dead", async () => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "fail", payload: '{"message":"no paper"}', maxRetries: 1 });
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 1, error: "no paper" });
    await fixture.clock.advance(100);
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: "no paper" });
  });

  test.each([undefined, "null", "{}", "3"])("throws for the payload %s too", async (payload) => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "fail", payload, maxRetries: 0 });
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: "failed as asked" });
  });

  test("succeeds at the retry after the n-th failure", async () => {
    const fixture = await builtin();
    const id = await fixture.create({ type: "fail", payload: '{"times":2}' });
    await fixture.clock.advance(100);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 2 });
    await fixture.clock.advance(200);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", retryCount: 2, result: '{"failures":2}' });
  });
});
