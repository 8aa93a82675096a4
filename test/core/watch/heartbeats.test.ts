import { describe, expect, test } from "vitest";
import type { Timer } from "../../../src/core/clock.js";
import { type HeartbeatMember, Heartbeats } from "../../../src/core/watch/heartbeats.js";
import { FakeClock } from "../../support/fake-clock.js";

/** A clock that counts the timers that were ever set. */
class CountingClock extends FakeClock {
  set = 0;

  override setTimer(delayMs: number, fire: () => void): Timer {
    this.set++;
    return super.setTimer(delayMs, fire);
  }
}

/** A member that notes when it was called, in ms since the start. */
class Member implements HeartbeatMember {
  heardAt = 0;
  readonly beats: number[] = [];
  readonly #start: number;
  readonly #then: () => void;

  constructor(clock: FakeClock, then: () => void = () => {}) {
    this.#start = clock.now();
    this.#then = then;
  }

  beat(at: number): void {
    this.beats.push(at - this.#start);
    this.#then();
  }
}

function open() {
  const clock = new CountingClock();
  return { clock, heartbeats: new Heartbeats<Member>(clock, 15_000) };
}

describe("heartbeats", () => {
  test("come a period after each member was added, and with one timer for all", async () => {
    const { clock, heartbeats } = open();
    const [first, second] = [new Member(clock), new Member(clock)];
    heartbeats.add(first);
    await clock.advance(5000);
    heartbeats.add(second);
    expect(clock.timers).toBe(1);
    await clock.advance(40_000);
    expect(first.beats).toEqual([15_000, 30_000, 45_000]);
    expect(second.beats).toEqual([20_000, 35_000]);
    expect(clock.timers).toBe(1);
    // One to begin with, and one after each of the five.
    expect(clock.set).toBe(6);
  });

  test("cost one timer a period, however long it is silent", async () => {
    const { clock, heartbeats } = open();
    for (let count = 0; count < 10; count++) heartbeats.add(new Member(clock));
    await clock.advance(150_000);
    expect(clock.set).toBe(11);
  });

  test("go on for the others when one leaves, and end with the last", async () => {
    const { clock, heartbeats } = open();
    const [first, second] = [new Member(clock), new Member(clock)];
    heartbeats.add(first);
    heartbeats.add(second);
    heartbeats.remove(first);
    await clock.advance(15_000);
    expect([first.beats, second.beats]).toEqual([[], [15_000]]);
    heartbeats.remove(second);
    expect(clock.timers).toBe(0);
    heartbeats.remove(second);
    const third = new Member(clock);
    heartbeats.add(third);
    await clock.advance(15_000);
    expect(third.beats).toEqual([15_000]);
  });

  test("leave no timer when the last member leaves at its heartbeat", async () => {
    const { clock, heartbeats } = open();
    const member: Member = new Member(clock, () => heartbeats.remove(member));
    heartbeats.add(member);
    await clock.advance(15_000);
    expect(member.beats).toEqual([15_000]);
    expect(clock.timers).toBe(0);
  });

  test("go on with one timer when the last member leaves at its heartbeat and another comes", async () => {
    const { clock, heartbeats } = open();
    const next = new Member(clock);
    const member: Member = new Member(clock, () => {
      heartbeats.remove(member);
      heartbeats.add(next);
    });
    heartbeats.add(member);
    await clock.advance(15_000);
    expect(clock.timers).toBe(1);
    await clock.advance(15_000);
    expect(next.beats).toEqual([30_000]);
  });

  test("of members that are due close together share a check", async () => {
    const { clock, heartbeats } = open();
    const members: Member[] = [];
    for (let count = 0; count < 10; count++) {
      const member = new Member(clock);
      members.push(member);
      heartbeats.add(member);
      await clock.advance(10);
    }
    await clock.advance(15_000);
    expect(members.map(({ beats }) => beats.length)).toEqual(members.map(() => 1));
    // The first, the one for all the others, and the one that waits.
    expect(clock.set).toBe(3);
  });
});
