import { setTimeout as sleep } from "node:timers/promises";
import type { RedisServer } from "../support/redis-server.js";
import type { Fleet } from "./fleet.js";
import type { Random } from "./random.js";

/** The kinds of faults. */
export const FAULTS = [
  "server killed",
  "server frozen",
  "redis killed",
  "redis restarted",
  "redis frozen",
  "connections cut",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Causes faults. */
export interface Saboteur {
  /** Causes a fault. Resolves when the next one may follow. A killed or frozen server comes back later by itself. */
  strike(fault: Fault): Promise<void>;
  /** Resolves when everything runs again; rejects when something did not come back. */
  mended(): Promise<void>;
}

/** How long Redis stays away, ms: shortest and longest. */
const AWAY_MS = [100, 1500] as const;

/** How much longer than its lease a server stays frozen, ms: it wakes up when others have its jobs. */
const OVERSLEEP_MS = [300, 1500] as const;

/** Creates a saboteur for these servers and this Redis. */
export function createSaboteur(
  fleet: Fleet,
  redis: RedisServer,
  leaseMs: number,
  random: Random,
  log: (line: string) => void,
): Saboteur {
  const comingBack = new Set<Promise<void>>();
  const failures: unknown[] = [];
  function later(work: Promise<void>): void {
    const kept = work.catch((error) => void failures.push(error)).finally(() => comingBack.delete(kept));
    comingBack.add(kept);
  }

  /** Chooses a server to hit, never the last one that works. */
  async function victim() {
    for (;;) {
      const awake = fleet.living().filter(({ isFrozen }) => !isFrozen);
      const chosen = awake.length > 1 || comingBack.size === 0 ? random.pick(awake) : undefined;
      if (chosen !== undefined) return chosen;
      await Promise.race(comingBack);
    }
  }

  async function thawAfter(member: Awaited<ReturnType<typeof victim>>, ms: number): Promise<void> {
    await sleep(ms);
    member.thaw();
    log(`${member.name} goes on`);
  }

  async function cutConnections(): Promise<void> {
    const admin = redis.client();
    try {
      const list = String(await admin.client("LIST"));
      const ids = [...list.matchAll(/^id=(\d+) .*$/gm)].map(([, id]) => Number(id));
      const own = await admin.client("ID");
      const cut = ids.filter((id) => id !== own && random.next() < 0.7);
      for (const id of cut) await admin.client("KILL", "ID", id);
      log(`${cut.length} of ${ids.length - 1} connections to Redis are cut`);
    } finally {
      admin.disconnect();
    }
  }

  const strikes: Readonly<Record<Fault, () => Promise<void>>> = {
    async "server killed"() {
      const member = await victim();
      log(`${member.name} is killed`);
      later(fleet.replace(member));
    },
    async "server frozen"() {
      const member = await victim();
      const ms = leaseMs + random.between(...OVERSLEEP_MS);
      log(`${member.name} is frozen for ${ms} ms`);
      member.freeze();
      later(thawAfter(member, ms));
    },
    async "redis killed"() {
      const ms = random.between(...AWAY_MS);
      log(`Redis is killed and stays away for ${ms} ms`);
      await redis.kill("SIGKILL");
      await sleep(ms);
      await redis.restart();
    },
    async "redis restarted"() {
      const ms = random.between(...AWAY_MS);
      log(`Redis is stopped and stays away for ${ms} ms`);
      await redis.stop();
      await sleep(ms);
      await redis.restart();
    },
    async "redis frozen"() {
      const ms = random.between(...AWAY_MS);
      log(`Redis is frozen for ${ms} ms`);
      await redis.kill("SIGSTOP");
      await sleep(ms);
      await redis.kill("SIGCONT");
    },
    "connections cut": cutConnections,
  };

  return {
    strike: (fault) => strikes[fault](),
    async mended() {
      while (comingBack.size > 0) await Promise.all(comingBack);
      if (failures.length > 0) throw failures[0];
      await fleet.refill();
    },
  };
}

/** Plans the faults of a run in random order. Each kind occurs as often as the others. */
export function planFaults(count: number, kinds: readonly Fault[], random: Random): Fault[] {
  const rounds = Math.ceil(count / Math.max(1, kinds.length));
  return Array.from({ length: rounds }, () => random.shuffle(kinds)).flat();
}
