import { expect, test } from "vitest";
import { OwnChanges } from "../../../../src/backends/redis/log/own-changes.js";
import { FakeClock } from "../../../support/fake-clock.js";

/** Longer than a notice may take before Redis is asked, ms. */
const LATE_MS = 2000;

/** The own changes of a server in whose queue "q" no notice comes, and Redis, which is away until `isThere`. */
function create() {
  const clock = new FakeClock();
  const world = { heard: 0, isThere: false, asked: 0 };
  const own = new OwnChanges(clock, {
    heard: () => world.heard,
    async find(queues) {
      expect(queues).toEqual(["q"]);
      world.asked++;
      if (!world.isThere) throw new Error("Redis is away");
      world.heard = 1;
    },
  });
  return { clock, own, world };
}

test("a change whose notice was lost is looked for until Redis tells of it", async () => {
  const { clock, own, world } = create();
  own.made("q", 1);
  await clock.advance(LATE_MS);
  expect(world.asked).toBe(1);
  await clock.advance(LATE_MS);
  expect(world.asked).toBe(2);
  world.isThere = true;
  await clock.advance(LATE_MS);
  expect(world).toMatchObject({ heard: 1, asked: 3 });
  await clock.advance(10 * LATE_MS);
  expect(world.asked).toBe(3);
  expect(clock.timers).toBe(0);
});

test("a change that is heard of meanwhile is not looked for again", async () => {
  const { clock, own, world } = create();
  own.made("q", 1);
  await clock.advance(LATE_MS);
  world.heard = 1;
  await clock.advance(10 * LATE_MS);
  expect(world.asked).toBe(1);
});

test("nothing is looked for any more after the end", async () => {
  const { clock, own, world } = create();
  own.made("q", 1);
  await clock.advance(LATE_MS);
  own.stop();
  await clock.advance(10 * LATE_MS);
  expect(world.asked).toBe(1);
});
