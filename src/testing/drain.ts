// Not the global ones: test runners replace those when a test fakes its timers.
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import type { Job } from "../api/job.js";
import { silentObserver } from "../core/observer.js";
import type { QueueParts } from "../queue-parts.js";
import type { LocalTaskQueue } from "../task-queue.js";
import { settle, type TestClock } from "./test-clock.js";

/** How far `drain` goes ahead unless it is told, ms: 30 days. */
const MAX_AHEAD_MS = 30 * 24 * 3600 * 1000;

/** How long it waits for handlers that run unless it is told, ms of real time. */
const MAX_RUN_MS = 5000;

/** How many runs of handlers it takes unless it is told. Some seconds at the most, also when the clock is moved for each. */
const MAX_RUNS = 2000;

/** Times that it moves the clock while no handler runs: a job that is ready and never taken must not take for ever. */
const MAX_IDLE_MOVES = 1000;

/** How far `drain` goes. Durations in ms. */
export interface DrainOptions {
  /** How far it may move the clock. Default 30 days. */
  readonly maxMs?: number | undefined;
  /** How long handlers may run, in real time. Default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** How many runs of handlers it takes, beyond one for each job that is there when it begins. Default 2,000. */
  readonly maxRuns?: number | undefined;
}

/** What is drained. */
export interface DrainDeps {
  readonly queue: LocalTaskQueue;
  readonly parts: Pick<QueueParts, "engine" | "relay">;
  readonly clock: TestClock;
  /** The types that are run here. */
  readonly types: readonly string[];
  /** Resolves to when the first job of these types goes on that waits for its time, ms since 1970; undefined: none does. */
  nextTime(types: readonly string[]): Promise<number | undefined>;
  /** Moves the clock. */
  advance(ms: number): Promise<void>;
}

/** Runs all jobs that there are handlers for; see `TestQueue.drain`. */
export async function drain(deps: DrainDeps, options: DrainOptions = {}): Promise<void> {
  const { queue, parts, clock, types, nextTime, advance } = deps;
  const { maxMs = MAX_AHEAD_MS, timeoutMs = MAX_RUN_MS, maxRuns = MAX_RUNS } = options;
  const end = clock.monotonic() + maxMs;
  const first = async (status: Job["status"]) => {
    const [job] = (await queue.list({ statuses: [status], types, order: "OLDEST", pageSize: 1 }).page()).items;
    return `${job?.type ?? "a job"} ${job?.id ?? ""}`;
  };
  await refuseStopped(queue);
  const { count } = await queue.count({ statuses: ["PENDING", "RUNNING"], types });
  const runs = countRuns(parts.relay, count + maxRuns);
  try {
    for (let idleMoves = 0, seen = 0; ; ) {
      await idle();
      await refuseStopped(queue);
      const next = types.length === 0 ? undefined : await nextTime(types);
      if (next === undefined) return;
      idleMoves = runs.total === seen ? idleMoves + 1 : 0;
      seen = runs.total;
      const ms = Math.max(1, next - clock.now());
      if (clock.monotonic() + ms > end) {
        throw new Error(`jobs are left after ${maxMs} ms of the clock: ${await first("PENDING")} is PENDING`);
      }
      if (idleMoves > MAX_IDLE_MOVES) throw new Error(`nobody takes a job: ${await first("PENDING")} is PENDING`);
      await advance(ms);
    }
  } finally {
    runs.end();
  }

  /** Resolves when no handler runs. Rejects when one still does after its time, and when there were too many. */
  async function idle(): Promise<void> {
    const late = performance.now() + timeoutMs;
    for (let turn = 0; ; turn++) {
      await settle();
      runs.throwIfTooMany();
      if (parts.engine.activeWorkers === 0) return;
      if (performance.now() > late) {
        throw new Error(`a handler still runs after ${timeoutMs} ms: that of ${await first("RUNNING")}`);
      }
      // Most handlers are done within some turns; the others wait for something outside.
      if (turn > 10) await setTimeout(1);
    }
  }
}

async function refuseStopped({ server }: LocalTaskQueue): Promise<void> {
  if ((await server.health()) !== "SERVING") throw new Error("nothing can be drained: the queue is stopped");
}

/** Counts the runs of handlers from now on, until `end` is called. */
function countRuns(relay: QueueParts["relay"], max: number) {
  const byType = new Map<string, number>();
  let total = 0;
  const end = relay.add({
    ...silentObserver,
    leased(_queue, type) {
      total++;
      byType.set(type, (byType.get(type) ?? 0) + 1);
    },
  });
  return {
    get total() {
      return total;
    },
    /** Throws an error that names the handler which ran most often. */
    throwIfTooMany(): void {
      if (total <= max) return;
      const [[type, runs]] = [...byType].sort(([, a], [, b]) => b - a) as [[string, number]];
      throw new Error(
        `jobs come up without an end: handlers ran ${total} times, that of ${type} ${runs} times. Does it create its own ` +
          "job again, or snooze for ever? If so many are meant, give drain a higher maxRuns",
      );
    },
    end,
  };
}
