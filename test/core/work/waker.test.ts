import { describe, expect, test } from "vitest";
import { Waker } from "../../../src/core/work/waker.js";
import { FakeClock, settle } from "../../support/fake-clock.js";

const never = new AbortController().signal;

describe("Waker", () => {
  test("sleeps until it is woken", async () => {
    const clock = new FakeClock();
    const waker = new Waker();
    let answer: boolean | undefined;
    void waker.wait(clock, 1000, never).then((woken) => {
      answer = woken;
    });
    await clock.advance(999);
    expect(answer).toBeUndefined();
    waker.wake();
    await settle();
    expect(answer).toBe(true);
    expect(clock.timers).toBe(0);
  });

  test("sleeps no longer than it was told", async () => {
    const clock = new FakeClock();
    const waiting = new Waker().wait(clock, 1000, never);
    await clock.advance(1000);
    expect(await waiting).toBe(false);
  });

  test("does not lose a call between two waits, and remembers it once", async () => {
    const clock = new FakeClock();
    const waker = new Waker();
    waker.wake();
    waker.wake();
    expect(await waker.wait(clock, 1000, never)).toBe(true);
    const second = waker.wait(clock, 1000, never);
    await clock.advance(1000);
    expect(await second).toBe(false);
  });

  test("wakes for an abort, before or while it sleeps", async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const waker = new Waker();
    const waiting = waker.wait(clock, 1000, abort.signal);
    abort.abort();
    expect(await waiting).toBe(false);
    expect(await waker.wait(clock, 1000, abort.signal)).toBe(false);
    expect(clock.timers).toBe(0);
  });

  test("tells of a call even when the signal is aborted too", async () => {
    const waker = new Waker();
    waker.wake();
    expect(await waker.wait(new FakeClock(), 1000, AbortSignal.abort())).toBe(true);
  });
});
