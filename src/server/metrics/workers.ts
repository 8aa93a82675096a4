import type { WorkerInfo } from "../../core/remote/worker-info.js";
import { yieldToEventLoop } from "../../core/turns/yield-to-event-loop.js";
import type { Meter } from "./meter.js";

/** Most job types that get a series of their own: the first that are found; workers of the others count as "other". */
const MAX_TYPES = 200;

/** Types of workers that are looked at before other work comes in between. */
const PART = 20_000;

/** The workers of this server, as the page tells them. */
export interface WorkerMetrics {
  /** Reads the workers for the page. */
  read(): Promise<void>;
}

/** Creates the metrics of workers. */
export function createWorkerMetrics(meter: Meter, workers: () => readonly WorkerInfo[]): WorkerMetrics {
  let byType = new Map<string, number>();
  let streams = 0;
  let polls = 0;
  meter.gauges("gotaskq_remote_workers", "Remote workers known here, by how they take jobs: stream, poll.", () => [
    { labels: { kind: "stream" }, value: streams },
    { labels: { kind: "poll" }, value: polls },
  ]);
  meter.gauges(
    "gotaskq_workers",
    "Workers of this server that take jobs of a type; the built-in ones count as one.",
    () => [...byType].map(([type, value]) => ({ labels: { type }, value })),
  );

  return {
    async read() {
      const list = workers();
      streams = list.filter(({ kind }) => kind === "STREAM").length;
      polls = list.filter(({ kind }) => kind === "POLL").length;
      const found = new Map<string, number>();
      let looked = 0;
      for (const { types } of list) {
        for (const type of types) {
          const label = found.has(type) || found.size < MAX_TYPES ? type : "other";
          found.set(label, (found.get(label) ?? 0) + 1);
        }
        looked += types.length;
        if (looked >= PART) {
          looked = 0;
          await yieldToEventLoop();
        }
      }
      byType = found;
    },
  };
}
