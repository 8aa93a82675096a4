import { fileURLToPath } from "node:url";
import type { Fleet } from "./fleet.js";
import { type Link, openLink } from "./link.js";
import type { Random } from "./random.js";
import { startVictim, type Victim } from "./victim.js";

/** A process of remote workers, and its way to the servers. */
export interface Hand extends Victim {
  readonly link: Link;
}

/** The processes of remote workers. */
export interface Crew {
  /** Resolves when so many run. */
  start(count: number): Promise<void>;
  /** Those that are alive, frozen ones included. */
  living(): readonly Hand[];
  /** Kills one and starts a new one in its place. Resolves when the new one runs. */
  replace(hand: Hand): Promise<void>;
  /** Kills all. */
  stop(): Promise<void>;
}

/** Options of a crew. */
export interface CrewOptions {
  /** The types that workers take: as many sets of two types, of which each type is in two. */
  readonly types: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
  /** Called when something happened that must not happen. */
  readonly violation: (text: string) => void;
  /** Called when a process was started, and when one was killed. */
  readonly started: (victim: Victim) => void;
  readonly killed: (victim: Victim) => void;
}

const PROGRAM = fileURLToPath(new URL("./worker.mjs", import.meta.url));

/** Creates a crew without processes for these servers. */
export function createCrew(
  fleet: Fleet,
  random: Random,
  { types, env, log, violation, started, killed }: CrewOptions,
): Crew {
  /** By place: the process, which has its share of the sets of types. */
  const hands = new Map<number, Hand>();
  let [count, size] = [0, 0];

  async function add(place: number): Promise<void> {
    // Resolves when its workers are connected: all servers may be away for a while.
    const name = `worker ${++count}`;
    const link = await openLink(fleet, random.fork());
    const sets = types.map((type, at) => [type, types[(at + 1) % types.length]]).filter((_, at) => at % size === place);
    const own = { ...env, SERVER_URL: link.url, SETS: JSON.stringify(sets) };
    const victim = await startVictim(name, PROGRAM, own, /^ready$/, (how) =>
      violation(`${name} ended by itself with ${how}:\n${victim.output()}`),
    );
    started(victim);
    hands.set(place, Object.assign(victim, { link }));
    log(`${name} takes ${sets.length} sets of types`);
  }

  return {
    async start(wanted) {
      size = wanted;
      await Promise.all(Array.from({ length: wanted }, (_, place) => add(place)));
    },
    living: () => [...hands.values()].filter(({ isAlive }) => isAlive),
    async replace(hand) {
      const [place = 0] = [...hands].find(([, other]) => other === hand) ?? [];
      hands.delete(place);
      await hand.kill();
      killed(hand);
      hand.link.close();
      await add(place);
    },
    async stop() {
      await Promise.all([...hands.values()].map((hand) => hand.kill()));
      for (const { link } of hands.values()) link.close();
    },
  };
}
