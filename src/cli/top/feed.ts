import type { Job, Queue, ServerInfo, TaskQueueClient, WorkerInfo } from "../../client/index.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { workersOf } from "../workers-of.js";
import { createRates, type Rates } from "./rates.js";

/** What is known of a server at a moment. What could not be read is undefined. */
export interface View {
  readonly info: ServerInfo | undefined;
  readonly queues: readonly Queue[];
  readonly rates: Rates;
  /** Some of the jobs that run. */
  readonly running: readonly Job[];
  readonly workers: readonly WorkerInfo[] | undefined;
  /** Why the last read failed; undefined: it did not. */
  readonly problem: string | undefined;
  /** When it was read, ms since 1970. */
  readonly at: number;
}

/** Most jobs that are read: more than a screen has lines. */
const MAX_RUNNING = 100;

/** Codes of a server that cannot be reached, or stands still. */
const AWAY: ReadonlySet<string> = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);

/** Creates what reads the view of a server. A read that fails leaves what was there, and says why. */
export function createFeed(client: TaskQueueClient): { read(): Promise<View> } {
  const rates = createRates();
  let view: View = {
    info: undefined,
    queues: [],
    rates,
    running: [],
    workers: undefined,
    problem: undefined,
    at: Date.now(),
  };
  return {
    async read() {
      try {
        const [info, queues, page, workers] = await Promise.all([
          client.server.info(),
          client.queues.list(),
          client.list({ statuses: ["RUNNING"], view: "BASIC", pageSize: MAX_RUNNING }).page(),
          workersOf(client).catch(orUndefined),
        ]);
        const at = Date.now();
        rates.add(queues, at);
        view = { info, queues, rates, running: page.items, workers, problem: undefined, at };
      } catch (error) {
        // What the token may not do, it may not the next time either.
        const isAway = error instanceof TaskQueueError && AWAY.has(error.code);
        // Nor is there anything to show before the first read.
        if (!isAway || view.info === undefined) throw error;
        view = { ...view, problem: error.message, at: Date.now() };
      }
      return view;
    },
  };
}

/** A token that may not list workers sees all else. */
function orUndefined(error: unknown): undefined {
  if (error instanceof TaskQueueError && error.code === "PERMISSION_DENIED") return undefined;
  throw error;
}
