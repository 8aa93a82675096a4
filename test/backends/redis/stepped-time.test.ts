import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { type Clock, createSystemClock } from "../../../src/core/clock.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { Recorder } from "../contract/harness.js";
import {
  addOne,
  done,
  lease,
  leasedIds,
  leaseOne,
  only,
  readAll,
  ref,
  statuses,
  tickAll,
} from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";
import { startProxy } from "./support/proxy.js";

const DAY = 24 * 3600 * 1000;

/** The clock of Redis, set ahead by what a key of the queue says. */
const LUA_CLOCK = `
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(redis.call('GET', base .. 'off') or 0)`;

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});

/** Two servers, in real time, on a Redis whose clock can be set. */
async function two() {
  const prefix = newPrefix();
  const admin = redis.client();
  const open = async () => {
    const deps = { clock: createSystemClock(), logger: silentLogger, luaClock: LUA_CLOCK };
    const backend = createRedisBackend(deps, { url: redis.url, prefix });
    const heard = new Recorder();
    onTestFinished(() => backend.stop());
    await backend.start(heard);
    await tickAll(backend);
    return { backend, heard };
  };
  return {
    open,
    servers: [await open(), await open()] as const,
    setAhead: (ms: number) => admin.set(`${prefix}:{default}:off`, ms),
    counted: async () => Number((await admin.hget(`${prefix}:{default}:meta`, "clock_ahead")) ?? 0),
  };
}

/** A clock that says another time, but runs as that of the system does. */
function clockAt(wall: number): Clock {
  const system = createSystemClock();
  return { ...system, now: () => wall };
}

describe("when Redis' clock is set", () => {
  test.each([31_000, DAY, -31_000, -DAY])("by %i ms, several servers count it once", async (ms) => {
    const { servers, setAhead, counted } = await two();
    const [one, other] = servers;
    const id = await addOne(one.backend);
    await addOne(other.backend, { type: "other" });
    const leased = await leaseOne(one.backend);
    await setAhead(ms);
    for (let turn = 0; turn < 3; turn++) {
      for (const { backend } of servers) {
        await addOne(backend, { type: "other" });
        await tickAll(backend);
      }
    }
    expect(Math.abs((await counted()) - ms)).toBeLessThan(1000);
    expect(await statuses(other.backend, [id])).toEqual(["RUNNING"]);
    const { outcome, expiresInMs } = only(await one.backend.extend([ref(leased)]));
    expect(outcome).toBe("OK");
    expect(expiresInMs).toBeLessThan(11_000);
    await setAhead(0);
    for (const { backend } of servers) await tickAll(backend);
    await addOne(other.backend, { type: "other" });
    await addOne(one.backend, { type: "other" });
    expect(Math.abs(await counted())).toBeLessThan(1000);
    expect(await one.backend.complete([done(leased)])).toMatchObject([{ outcome: "APPLIED" }]);
  });

  test("a job whose run_after it passed is swept for at once", async () => {
    const { servers, setAhead } = await two();
    const [{ backend, heard }] = servers;
    const id = await addOne(backend, { runAfter: Date.now() + DAY });
    await setAhead(2 * DAY);
    heard.clear();
    await backend.get([id]);
    expect(heard.dueHeard).toEqual([0]);
    await tickAll(backend);
    expect(await leasedIds(backend)).toEqual([id]);
  });

  test("a server that knows no earlier time takes it as it is", async () => {
    const { open, servers, setAhead, counted } = await two();
    await addOne(servers[0].backend);
    await leaseOne(servers[0].backend);
    await setAhead(DAY);
    const late = await open();
    await addOne(late.backend);
    expect(await lease(late.backend)).not.toEqual([]);
    expect(await counted()).toBe(0);
    await addOne(servers[0].backend);
    expect(Math.abs((await counted()) - DAY)).toBeLessThan(1000);
  });
});

test("a call whose answer was lost before Redis' clock was set is not run again by the new time", async () => {
  const server = await startRedis({ port: true });
  const proxy = await startProxy(server.port ?? 0);
  const prefix = newPrefix();
  const admin = server.client();
  const open = async (url: string) => {
    const deps = { clock: createSystemClock(), logger: silentLogger, luaClock: LUA_CLOCK };
    const backend = createRedisBackend(deps, { url, prefix });
    onTestFinished(() => backend.stop());
    await backend.start(new Recorder());
    return backend;
  };
  const witness = await open(server.url);
  const backend = await open(`redis://127.0.0.1:${proxy.port}`);
  await addOne(backend, { type: "other" });
  const leased = await leaseOne(backend, { types: ["other"] });
  await backend.release([ref(leased)]);
  const again = await leaseOne(backend, { types: ["other"] });
  const cursor = await witness.head();
  const set = (ms: number) => admin.set(`${prefix}:{default}:off`, ms);
  const lost = proxy.loseNextAnswer(() => set(DAY));
  const id = await addOne(backend);
  await lost;
  const second = proxy.loseNextAnswer(() => set(-DAY));
  expect(await backend.release([ref(again)])).toMatchObject([{ outcome: "APPLIED" }]);
  await second;
  const { changes } = await readAll(witness, cursor);
  expect(changes.map(({ jobId, revision }) => [jobId, revision])).toEqual([
    [id, 1],
    [again.job.id, again.job.revision + 1],
  ]);
});

describe("a server whose own clock is wrong", () => {
  test.each([0, Date.UTC(2025, 11, 31)])("at %i makes ids that no earlier owner of its node id made", async (wall) => {
    const at = { url: redis.url, prefix: newPrefix() };
    const admin = redis.client();
    const made: string[] = [];
    for (let life = 0; life < 3; life++) {
      const { backend } = await openBackend(at, { clock: clockAt(wall) });
      expect(backend.node).toBe(0);
      for (let count = 0; count < 100; count++) made.push(backend.ids.next());
      await backend.stop();
      await admin.del(`${at.prefix}:{*}:nodes`, `${at.prefix}:{*}:owners`);
    }
    expect(new Set(made).size).toBe(300);
    expect(made.map(BigInt).every((id, index, all) => index === 0 || id > (all[index - 1] ?? 0n))).toBe(true);
  });
});
