import { describe, expect, test } from "vitest";
import { StoreTimes } from "../../../../src/backends/redis/queues/store-times.js";
import { FakeClock } from "../../../support/fake-clock.js";

const START = Date.UTC(2026, 5, 1);
const DAY = 24 * 3600 * 1000;

/** A store whose TIME can step, and one server that calls it. */
function fixture() {
  const clock = new FakeClock();
  const begun = clock.monotonic();
  let stepped = 0;
  const times = new StoreTimes(clock, () => stepped++);
  const store = {
    ahead: 0,
    setAhead: 0,
    time: () => START + clock.monotonic() - begun + store.ahead,
  };
  const told = (queue: string, isBlind = false) => times.told(queue, isBlind, clock.monotonic());
  return {
    clock,
    times,
    told,
    store,
    stepped: () => stepped,
    /** An answer that took `ms` from call to answer, half of it each way. */
    async call(queue = "q", ms = 0) {
      const sentAt = clock.monotonic();
      await clock.advance(ms / 2);
      const time = store.time();
      await clock.advance(ms / 2);
      return times.note(queue, time, store.setAhead, sentAt);
    },
    /** The excess that the next call tells. */
    excess: (queue = "q") => Number(String(told(queue)).split(" ")[1] ?? 0),
    /** TIME as the next call expects it, less what it is. */
    wrong: (queue = "q") => Number(String(told(queue)).split(" ")[0]) - store.time(),
  };
}

describe("StoreTimes", () => {
  test("expects nothing before it knows anything, and any TIME when it is blind", async () => {
    const { times, call, told } = fixture();
    expect(told("q")).toBe("");
    await call();
    expect(told("q", true)).toBe("");
    expect(told("q")).toBe(START);
    times.forget("q");
    expect(told("q")).toBe("");
  });

  test("expects TIME to go as its own clock does", async () => {
    const { clock, call, wrong, excess } = fixture();
    await call();
    await clock.advance(3_600_000);
    expect(wrong()).toBe(0);
    await call();
    expect(excess()).toBe(0);
  });

  test.each([2000, DAY, -2000, -DAY])("tells a step of %i ms until it is counted", async (ms) => {
    const { clock, store, call, wrong, excess, stepped } = fixture();
    await call();
    await clock.advance(5000);
    store.ahead += ms;
    expect(excess()).toBe(0);
    await call();
    await call();
    expect(excess()).toBe(ms);
    expect(wrong()).toBe(0);
    store.setAhead += ms;
    await call();
    expect(excess()).toBe(0);
    expect(stepped()).toBe(1);
  });

  test("adds up steps that came before the first was counted, and forgets those that were put right", async () => {
    const { store, call, excess } = fixture();
    await call();
    store.ahead += DAY;
    await call();
    store.ahead += 5000;
    await call();
    expect(excess()).toBe(DAY + 5000);
    store.ahead = 0;
    await call();
    expect(excess()).toBe(0);
  });

  test("does not tell a step that another server has counted", async () => {
    const { store, call, excess } = fixture();
    await call();
    store.ahead += DAY;
    store.setAhead += DAY;
    await call();
    expect(excess()).toBe(0);
  });

  test("leaves alone what another server counted without a step that we saw", async () => {
    const { store, call, excess } = fixture();
    await call();
    store.setAhead += DAY;
    await call();
    await call();
    expect(excess()).toBe(0);
  });

  test("takes no drift for a step, as long as it looks now and then", async () => {
    const { clock, store, call, excess } = fixture();
    for (let look = 0; look < 100; look++) {
      await call();
      await clock.advance(60_000);
      store.ahead += 400;
    }
    expect(excess()).toBe(0);
  });

  test("learns nothing from an answer that was over a second on its way", async () => {
    const { store, call, excess } = fixture();
    expect(await call()).toBe(true);
    store.ahead += DAY;
    expect(await call("q", 1002)).toBe(false);
    expect(excess()).toBe(0);
    expect(await call("q", 1000)).toBe(true);
    expect(excess()).toBe(DAY);
  });

  test("says each step that is seen in an answer of no queue", async () => {
    const { clock, times, store, stepped } = fixture();
    const steps = [];
    for (const ahead of [0, DAY, DAY, 0, -DAY]) {
      store.ahead = ahead;
      times.look(store.time(), clock.monotonic());
      steps.push(stepped());
    }
    expect(steps).toEqual([0, 1, 1, 2, 3]);
  });

  test("tells each queue its own step, and says once that TIME has stepped", async () => {
    const { store, call, excess, stepped } = fixture();
    await call("a");
    await call("b");
    store.ahead += DAY;
    await call("a");
    expect([excess("a"), excess("b"), stepped()]).toEqual([DAY, 0, 1]);
    await call("b");
    expect([excess("a"), excess("b"), stepped()]).toEqual([DAY, DAY, 1]);
  });
});
