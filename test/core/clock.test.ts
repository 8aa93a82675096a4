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

  test("follows a jump of the wall clock ahead", () => {
    const { machine, clock } = handMade();
    clock.now();
    machine.wall += 3_600_000;
    machine.monotonic += 1;
    expect(clock.now()).toBe(1_780_003_600_000);
  });

  test("goes on a tenth slower when the wall clock steps back", () => {
    const { machine, clock } = handMade();
    const before = clock.now();
    machine.wall -= 3_600_000;
    expect(clock.now()).toBe(before);
    machine.wall += 40;
    machine.monotonic += 40;
    expect(clock.now()).toBe(before + 36);
  });

  test("meets a wall clock that stepped back, ten times that step later", () => {
    const { machine, clock } = handMade();
    clock.now();
    machine.wall -= 1000;
    machine.wall += 10_000;
    machine.monotonic += 10_000;
    expect(clock.now()).toBe(machine.wall);
  });

  test("follows the wall clock again once that has caught up", () => {
    const { machine, clock } = handMade();
    clock.now();
    machine.wall -= 1000;
    clock.now();
    machine.wall += 5000;
    machine.monotonic += 100;
    expect(clock.now()).toBe(1_780_000_004_000);
  });

  test("never goes back, whatever the wall clock does", () => {
    const { machine, clock } = handMade();
    let last = clock.now();
    for (let step = 0; step < 1000; step++) {
      machine.monotonic += (step * 7919) % 13;
      machine.wall += ((step * 104_729) % 2001) - 1000;
      const now = clock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
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
