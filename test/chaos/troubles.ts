import { machineTime, type Run } from "./runs.js";
import type { Victim } from "./victim.js";

/** Who is in trouble: a process, or all that use Redis. */
export type Whom = Victim | "redis";

/** Something that may cost leases. Times as of `Run`. */
interface Trouble {
  readonly whom: Whom;
  readonly from: number;
  to: number;
}

/** What was done to whom, and when. */
export interface Troubles {
  /** A process was started. `kind`: what it is. */
  started(victim: Victim, kind: "server" | "worker"): void;
  /** Trouble begins; returns what to call when it is over. */
  begin(whom: Whom): () => void;
  /** A process was killed. */
  killed(victim: Victim): void;
  /** What ran twice at once though nothing had happened to the first one; and how many ran twice because of a fault. */
  judge(runs: readonly Run[]): { readonly violations: readonly string[]; readonly excused: number };
}

/**
 * How long trouble goes on after its cause, ms: connections are made anew, and leases are extended late. A server that lost its
 * connection waits up to 2 s for it.
 */
const AFTER_MS = 4000;

/** Creates an empty record. `leaseMs`: a lease may have been given so long before the run of its job. */
export function createTroubles(leaseMs: number): Troubles {
  const troubles: Trouble[] = [];
  const victims = new Map<number, { readonly victim: Victim; readonly kind: "server" | "worker" }>();
  const deaths = new Map<number, number>();

  const endOf = ({ end, pid }: Run) => Math.min(end, deaths.get(pid) ?? Number.POSITIVE_INFINITY);

  /** Whether something had happened to the process of a run before this time, so that its lease may have been lost. */
  function isExcused({ pid, begin }: Run, before: number): boolean {
    const kind = victims.get(pid)?.kind;
    return troubles.some(({ whom, from, to }) => {
      if (from > before || to + AFTER_MS < begin - leaseMs) return false;
      if (whom === "redis" || whom.pid === pid) return true;
      // A remote worker depends on the server that it is connected to, which may be any.
      return kind === "worker" && victims.get(whom.pid)?.kind === "server";
    });
  }

  return {
    started(victim, kind) {
      victims.set(victim.pid, { victim, kind });
    },
    begin(whom) {
      const trouble = { whom, from: machineTime(), to: Number.POSITIVE_INFINITY };
      troubles.push(trouble);
      return () => {
        trouble.to = machineTime();
      };
    },
    killed(victim) {
      const at = machineTime();
      deaths.set(victim.pid, at);
      troubles.push({ whom: victim, from: at, to: at });
    },
    judge(runs) {
      const violations: string[] = [];
      let excused = 0;
      const byJob = new Map<string, Run[]>();
      for (const run of runs) {
        const ofJob = byJob.get(run.jobId);
        if (ofJob === undefined) byJob.set(run.jobId, [run]);
        else ofJob.push(run);
      }
      for (const [jobId, ofJob] of byJob) {
        for (const [at, later] of ofJob.entries()) {
          for (const run of ofJob.slice(0, at)) {
            if (endOf(run) <= later.begin) continue;
            if (isExcused(run, later.begin)) excused++;
            else {
              const [first, second] = [run, later].map(({ pid }) => victims.get(pid)?.victim.name ?? pid);
              const ms = Math.round(later.begin - run.begin);
              violations.push(
                `job ${jobId} ran in ${second} ${ms} ms after it began in ${first}, where it had not ended`,
              );
            }
          }
        }
      }
      return { violations, excused };
    },
  };
}
