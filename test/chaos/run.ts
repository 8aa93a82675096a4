import { fileURLToPath } from "node:url";

/** The result of a run. */
export interface ChaosReport {
  /** Names and numbers, in the order in which to print them. */
  readonly counts: Readonly<Record<string, number>>;
  /** The first hundred things that happened and must not happen. */
  readonly violations: readonly string[];
}

/** Options that all runs have. */
export interface RunOptions {
  /** The run fails when it takes longer than this, ms. */
  readonly durationBoundMs: number;
  /** Called with a line about each step. */
  readonly log: (line: string) => void;
}

/** More than this many would say nothing new. */
const MAX_VIOLATIONS = 100;

/** How long the leases of the servers and workers last, ms. */
export const LEASE_MS = 2000;

/**
 * The environment variables of the servers of all runs: short leases and waits, and nothing forgotten, so that all jobs can be
 * counted.
 */
export function serverEnvironment(queues: readonly string[]): Record<string, string> {
  return {
    QUEUES: queues.filter((name) => name !== "default").join(","),
    HANDLERS: fileURLToPath(new URL("./handlers.mjs", import.meta.url)),
    LEASE_DURATION: `${LEASE_MS}ms`,
    BASE_DELAY: "20",
    MAX_DELAY: "500",
    COMPLETE_JOB_TTL: "24h",
    MAX_COMPLETED_JOBS: "10000000",
    MAX_COMPLETED_BYTES: "100GiB",
    CHANGE_LOG_SIZE: "10000000",
    LOG_LEVEL: "error",
  };
}

/** A run: its clock, its log, what went wrong in it, and its bound. */
export interface Run {
  readonly seconds: () => number;
  readonly log: (line: string) => void;
  readonly violation: (text: string) => void;
  readonly violations: readonly string[];
  /** How many there were, those that are left out too. */
  readonly violationCount: () => number;
  /** Aborted at the end. */
  readonly signal: AbortSignal;
  /** Waits for work, at most to the bound of the run. `what` says what it waits for. */
  readonly bounded: <T>(what: string, work: Promise<T>) => Promise<T>;
  /** Ends it, with the reason. */
  readonly end: (reason: string) => void;
}

/** Begins a run. `end` must be called. */
export function beginRun({ durationBoundMs, log: print }: RunOptions): Run {
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  const log = (line: string) => print(`${seconds().toFixed(1).padStart(6)}s ${line}`);
  const violations: string[] = [];
  let count = 0;
  let stage = "the start of the servers";
  const stop = new AbortController();
  const givenUp = new Promise<never>((_, reject) => {
    stop.signal.addEventListener("abort", () => reject(stop.signal.reason));
  });
  givenUp.catch(() => {});
  const timer = setTimeout(() => {
    stop.abort(new Error(`the run took longer than ${durationBoundMs} ms; it waited for ${stage}`));
  }, durationBoundMs);
  return {
    seconds,
    log,
    violation(text) {
      if (++count > MAX_VIOLATIONS) return;
      log(`VIOLATION: ${text}`);
      violations.push(text);
    },
    violations,
    violationCount: () => count,
    signal: stop.signal,
    bounded(what, work) {
      stage = what;
      return Promise.race([work, givenUp]);
    },
    end(reason) {
      clearTimeout(timer);
      if (!stop.signal.aborted) stop.abort(new Error(reason));
    },
  };
}
