import { describe, expect, test } from "vitest";
import { createSystemClock } from "../../src/core/clock.js";

/** A system clock over a wall clock and a monotonic clock that the test sets. */
function handMade(wall = 1_780_000_000_000, monotonic = 5000) {
  const machine = { wall, monotonic };
  const clock = createSystemClock(
    () => machine.wall,
    () => machine.monotonic,
  );
  return { machine, clock };
}

describe("createSystemClock", () => {
  test("tells the wall clock's time", () => {
    const { clock } = handMade();
    expect(clock.now()).toBe(1_780_000_000_000);
  });

  test("tells whole milliseconds", () => {
    const { machine, clock } = handMade();
    machine.monotonic += 0.75;
    expect(Number.isInteger(clock.now())).toBe(true);
  });

  test("moves with the wall clock", () => {
    const { machine, clock } = handMade();
    clock.now();
    machine.wall += 250;
    machine.monotonic += 250;
    expect(clock.now()).toBe(1_780_000_000_250);
  });

  test.each([3_600_000, -3_600_000])("follows a wall clock that steps by %i ms at once", (ms) => {
    const { machine, clock } = handMade();
    clock.now();
    machine.wall += ms;
    machine.monotonic += 1;
    expect(clock.now()).toBe(1_780_000_000_000 + ms);
  });

  test("is right again as soon as a wall clock that was a day ahead for a second is", () => {
    const { machine, clock } = handMade();
    const day = 24 * 3600 * 1000;
    machine.wall += day;
    clock.now();
    machine.wall += 1000 - day;
    machine.monotonic += 1000;
    expect(clock.now()).toBe(1_780_000_001_000);
  });

  test("tells the monotonic time as it is", () => {
    const { machine, clock } = handMade();
    machine.monotonic = 1234.5;
    expect(clock.monotonic()).toBe(1234.5);
  });

  test("fires a timer that is due at once, and one in the past", async () => {
    const clock = createSystemClock();
    await new Promise<void>((resolve) => clock.setTimer(0, resolve));
    await new Promise<void>((resolve) => clock.setTimer(-5, resolve));
  });

  test("does not fire a timer that was cancelled", async () => {
    const clock = createSystemClock();
    let fired = false;
    const timer = clock.setTimer(1, () => {
      fired = true;
    });
    timer.cancel();
    // A timer of the same length that is set later would fire after it.
    await new Promise<void>((resolve) => clock.setTimer(1, resolve));
    expect(fired).toBe(false);
    timer.cancel();
  });
});
