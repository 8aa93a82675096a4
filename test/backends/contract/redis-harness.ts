import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { type Clock, createSystemClock } from "../../../src/core/clock.js";
import { silentLogger } from "../../../src/core/logger.js";
import { FakeClock } from "../../support/fake-clock.js";
import type { UsableRedis } from "../../support/redis-server.js";
import { type BackendHarness, Recorder } from "./harness.js";

let count = 0;
let marks = 0;

/** Time stands still, but what waits for Redis itself waits in earnest. */
function withRealTimers(clock: Clock): Clock {
  const { setTimer } = createSystemClock();
  return { now: () => clock.now(), monotonic: () => clock.monotonic(), setTimer };
}

/** Lua that reads the time from a key: the time of a test stands still but for `advance`. */
const clockOf = (key: string) => `return tonumber(redis.call('GET', '${key}'))`;

/** Redis backends with keys of their own on this Redis, whose time stands still but for `advance`. */
export function createRedisHarness(redis: () => UsableRedis): BackendHarness {
  return {
    async open({ changeLogSize = 100_000, ...options } = {}) {
      const { url, client } = redis();
      const admin = client();
      const prefix = `test-${process.pid}-${count++}`;
      const timeKey = `${prefix}-time`;
      const clock = new FakeClock();
      await admin.set(timeKey, clock.now());
      const heard = new Recorder();
      const backend = createRedisBackend(
        { clock: withRealTimers(clock), logger: silentLogger, luaClock: clockOf(timeKey) },
        { url, prefix, changeLogSize, ...options },
      );
      await backend.start(heard);
      heard.clear();
      await backend.tick();
      let isOpen = true;
      return {
        backend,
        heard,
        slackMs: 0,
        now: async () => clock.now(),
        async advance(ms) {
          await clock.advance(ms);
          await admin.set(timeKey, clock.now());
        },
        // The channel is in order: what is heard after this message was sent before it.
        async settled() {
          const mark = `-mark-${marks++}`;
          await admin.publish(`${prefix}:events`, `${mark} 0 0 0 0 -1 r. -\n`);
          await heard.heardReady(mark);
        },
        async close() {
          if (!isOpen) return;
          isOpen = false;
          await backend.stop();
          const keys = await admin.keys(`${prefix}*`);
          if (keys.length > 0) await admin.unlink(...keys);
          admin.disconnect();
        },
      };
    },
  };
}
