import { databaseOf, parseRedisUrl } from "../../../src/backends/redis/link/url.js";
import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import type { QueueSettings } from "../../../src/model/queue/queue.js";
import { FakeClock, withRealTimers } from "../../support/fake-clock.js";
import type { UsableRedis } from "../../support/redis-server.js";
import { type BackendHarness, Recorder } from "./harness.js";

let count = 0;
let marks = 0;

/** Lua that reads the time from a key of the queue, as the time of a test stands still except for `advance`. */
const LUA_CLOCK = `return tonumber(redis.call('GET', base .. 'time') or 0)`;

/** What the harness needs of the Redis under its backends. */
export interface HarnessRedis {
  readonly url: string;
  set(key: string, value: string): Promise<unknown>;
  /** Functions that publish on a channel, one per node: only the messages of one node are in order. */
  readonly publishers: readonly ((channel: string, message: string) => Promise<unknown>)[];
  /** Deletes all keys with this prefix. */
  clear(prefix: string): Promise<void>;
}

/** Returns what the harness needs of a single server. */
export function oneServer({ url, client }: UsableRedis): HarnessRedis {
  const admin = client();
  return {
    url,
    set: (key, value) => admin.set(key, value),
    publishers: [(channel, message) => admin.publish(channel, message)],
    async clear(prefix) {
      const keys = await admin.keys(`${prefix}:*`);
      if (keys.length > 0) await admin.unlink(...keys);
    },
  };
}

/** Redis backends on this Redis, each with keys of its own, whose time stands still except for `advance`. */
export function createRedisHarness(redis: () => HarnessRedis): BackendHarness {
  return {
    async open({ changeLogSize = 100_000, ...options } = {}) {
      const { url, set, publishers, clear } = redis();
      const target = parseRedisUrl(url);
      const prefix = `test-${process.pid}-${count++}`;
      const { channel } = createKeys(prefix, target && databaseOf(target));
      const clock = new FakeClock();
      // A script touches only one slot, so each queue has a clock of its own; all show the same time.
      const queues = new Set(["default", "*"]);
      const setTime = () =>
        Promise.all([...queues].map((queue) => set(`${prefix}:{${queue}}:time`, String(clock.now()))));
      await setTime();
      const heard = new Recorder();
      const started = createRedisBackend(
        { clock: withRealTimers(clock), logger: silentLogger, luaClock: LUA_CLOCK },
        { url, prefix, changeLogSize, ...options },
      );
      const backend = {
        ...started,
        async createQueue(name: string, settings: QueueSettings) {
          queues.add(name);
          await setTime();
          return started.createQueue(name, settings);
        },
      };
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
          await setTime();
        },
        async stepWall(ms) {
          clock.stepWall(ms);
          await setTime();
        },
        // The channel is in order: when this message is heard, everything sent before it was heard too.
        async settled() {
          for (const publish of publishers) {
            const mark = `-mark-${marks++}`;
            await publish(channel, `${mark} 0 0 0 0 -1 r. -\n`);
            await heard.heardReady(mark);
          }
        },
        async close() {
          if (!isOpen) return;
          isOpen = false;
          await backend.stop();
          await clear(prefix);
        },
      };
    },
  };
}
