import { setTimeout as sleep } from "node:timers/promises";
import type { RedisServer } from "../support/redis-server.js";
import type { Crew } from "./crew.js";
import type { Fleet } from "./fleet.js";
import type { Random } from "./random.js";
import type { Troubles, Whom } from "./troubles.js";
import type { Victim } from "./victim.js";

/** The kinds of faults. */
export const FAULTS = [
  "server killed",
  "server frozen",
  "redis killed",
  "redis restarted",
  "redis frozen",
  "connections cut",
  "worker killed",
  "worker frozen",
  "link throttled",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Causes faults. */
export interface Saboteur {
  /** Causes a fault. Resolves when the next one may follow. A killed or frozen server comes back later by itself. */
  strike(fault: Fault): Promise<void>;
  /** Resolves when everything runs again; rejects when something did not come back. */
  mended(): Promise<void>;
}

/** Those that all servers feel. */
const OF_REDIS: ReadonlySet<Fault> = new Set(["redis killed", "redis restarted", "redis frozen", "connections cut"]);

/** How long Redis stays away, ms: shortest and longest. */
const AWAY_MS = [100, 1500] as const;

/** How much longer than its lease a server or worker stays frozen, ms: it wakes up when others have its jobs. */
const OVERSLEEP_MS = [300, 1500] as const;

/** Bytes a second of a throttled link: a large job takes longer than its lease. */
const THROTTLED = [20_000, 200_000] as const;

/** What a saboteur works on. */
export interface SaboteurDeps {
  readonly fleet: Fleet;
  readonly crew: Crew;
  readonly redis: RedisServer;
  readonly leaseMs: number;
  /** Is told who is in trouble. */
  readonly troubles: Troubles;
  readonly random: Random;
  readonly log: (line: string) => void;
}

/** Creates a saboteur. */
export function createSaboteur({ fleet, crew, redis, leaseMs, troubles, random, log }: SaboteurDeps): Saboteur {
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

  /** Chooses a process of workers to hit. */
  async function hand() {
    for (;;) {
      const chosen = random.pick(crew.living().filter(({ isFrozen }) => !isFrozen));
      if (chosen !== undefined) return chosen;
      await Promise.race(comingBack);
    }
  }

  /** Freezes a process for longer than its leases last. Resolves when it goes on. */
  async function freeze(member: Victim): Promise<void> {
    const ms = leaseMs + random.between(...OVERSLEEP_MS);
    log(`${member.name} is frozen for ${ms} ms`);
    const over = troubles.begin(member);
    member.freeze();
    await sleep(ms);
    member.thaw();
    over();
    log(`${member.name} goes on`);
  }

  async function during(whom: Whom, work: () => Promise<void>): Promise<void> {
    const over = troubles.begin(whom);
    try {
      await work();
    } finally {
      over();
    }
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
      later(freeze(await victim()));
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
    async "worker killed"() {
      const chosen = await hand();
      log(`${chosen.name} is killed`);
      later(crew.replace(chosen));
    },
    async "worker frozen"() {
      later(freeze(await hand()));
    },
    async "link throttled"() {
      const chosen = await hand();
      const [speed, ms] = [random.between(...THROTTLED), leaseMs + random.between(...OVERSLEEP_MS)];
      log(`the link of ${chosen.name} brings ${speed} bytes a second for ${ms} ms`);
      const slow = async () => {
        chosen.link.speed = speed;
        await sleep(ms);
        chosen.link.speed = undefined;
      };
      later(during(chosen, slow));
    },
  };

  return {
    strike: (fault) => (OF_REDIS.has(fault) ? during("redis", strikes[fault]) : strikes[fault]()),
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
