import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { setLongTimer } from "../../../src/model/process/long-timer.js";

const DAY = 24 * 3600 * 1000;

describe("setLongTimer", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([1, 1000, 2 ** 31 - 1, 2 ** 31, 30 * DAY, 366 * DAY])("fires once, exactly after %i ms", (delayMs) => {
    let fired = 0;
    setLongTimer(delayMs, () => fired++);
    vi.advanceTimersByTime(delayMs - 1);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([0, -5])("fires at once for %i ms", (delayMs) => {
    let fired = 0;
    setLongTimer(delayMs, () => fired++);
    vi.advanceTimersByTime(0);
    expect(fired).toBe(1);
  });

  test("never fires for an infinite delay", () => {
    const timer = setLongTimer(Number.POSITIVE_INFINITY, () => expect.unreachable("it fired"));
    vi.advanceTimersByTime(366 * DAY);
    timer.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([10, 30 * DAY])("does not fire once it is cancelled, in whichever of its steps", (afterMs) => {
    const timer = setLongTimer(366 * DAY, () => expect.unreachable("it was cancelled"));
    vi.advanceTimersByTime(afterMs);
    timer.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});
