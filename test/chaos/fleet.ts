import { setTimeout as sleep } from "node:timers/promises";
import { type Member, startMember } from "./member.js";
import type { Random } from "./random.js";
import { killAllVictims, type Victim } from "./victim.js";

/** The server processes that are alive. */
export interface Fleet {
  /** Resolves when `count` servers listen. */
  start(count: number): Promise<void>;
  /** The servers that are alive, frozen ones included. */
  living(): readonly Member[];
  /** Resolves to any server that is alive, as a load balancer without health checks would choose it; waits for one. */
  any(random: Random): Promise<Member>;
  /** Kills a server, by SIGKILL or in the way of `how`, and starts a new one. Resolves when the new one listens. */
  replace(member: Member, how?: () => void): Promise<void>;
  /** Starts servers in place of those that ended unexpectedly, so that as many are alive as at the start. */
  refill(): Promise<void>;
  /** The number of writes that servers refused because their lease was lost, as far as their metrics could be read. */
  staleWrites(): Promise<number>;
  /** Kills all servers. */
  stop(): Promise<void>;
}

/** Options of a fleet. */
export interface FleetOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
  /** Called when something happened that must not happen. */
  readonly violation: (text: string) => void;
  /** Called when a server was started, and when one was killed. */
  readonly started: (victim: Victim) => void;
  readonly killed: (victim: Victim) => void;
}

/** Creates a fleet without servers. */
export function createFleet({ env, log, violation, started: begun, killed }: FleetOptions): Fleet {
  const members = new Set<Member>();
  let [started, wanted, isStopping] = [0, 0, false];
  /** Stale writes of servers that are gone. */
  let staleBefore = 0;

  function died(member: Member, how: string): void {
    members.delete(member);
    violation(`${member.name} ended by itself with ${how}:\n${member.output()}`);
  }

  async function add(): Promise<void> {
    const name = `server ${++started}`;
    while (!isStopping) {
      try {
        const member = await startMember(name, env, died);
        members.add(member);
        begun(member);
        log(`${name} listens on ${member.url}`);
        if (isStopping) await member.kill();
        return;
      } catch (error) {
        // A server may give up when Redis is away at its start; whoever operates it starts it again.
        log(`${name} did not start: ${String(error).split("\n")[0]}`);
        if (/not built|not valid/.test(String(error))) throw error;
        await sleep(200);
      }
    }
  }

  async function staleWritesOf(member: Member): Promise<number> {
    try {
      const response = await fetch(`${member.url}/metrics`, { signal: AbortSignal.timeout(1000) });
      const series = [...(await response.text()).matchAll(/^gotaskq_stale_writes_total\{.*\} (\S+)$/gm)];
      return series.reduce((sum, [, value]) => sum + Number(value), 0);
    } catch {
      // The server is frozen, or its Redis is away: its count is unknown.
      return 0;
    }
  }

  const living = () => [...members].filter(({ isAlive }) => isAlive);
  return {
    async start(count) {
      wanted = count;
      await Promise.all(Array.from({ length: count }, add));
    },
    living,
    async any(random) {
      while (!isStopping) {
        const member = random.pick(living());
        if (member !== undefined) return member;
        await sleep(50);
      }
      throw new Error("the servers are being ended");
    },
    async replace(member, how) {
      // Removed first, so that no one kills it twice.
      members.delete(member);
      staleBefore += await staleWritesOf(member);
      await member.kill(how);
      killed(member);
      await add();
    },
    async refill() {
      await Promise.all(Array.from({ length: Math.max(0, wanted - living().length) }, add));
    },
    async staleWrites() {
      const now = await Promise.all(living().map(staleWritesOf));
      return now.reduce((sum, value) => sum + value, staleBefore);
    },
    async stop() {
      isStopping = true;
      await Promise.all(living().map((member) => member.kill()));
      killAllVictims();
    },
  };
}
