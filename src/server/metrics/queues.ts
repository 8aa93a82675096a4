import type { UntakenJobs } from "../../core/untaken.js";
import { pendingCount } from "../../model/queue/pending-counts.js";
import type { Queue, QueueStats } from "../../model/queue/queue.js";
import type { Meter } from "./meter.js";

/** Most queues that get gauges of their own: the first by name. */
export const MAX_QUEUES = 500;

/** Most pairs of queue and type of which it is told that nobody takes them. */
export const MAX_UNTAKEN = 100;

/** What is told of queues. */
export interface QueueFigures {
  readonly queues: readonly Queue[];
  readonly untaken: readonly UntakenJobs[];
}

/** The figures of queues, as the page tells them. */
export interface QueueMetrics {
  /** Replaces the figures of the page: those of the first `MAX_QUEUES` queues; undefined: this server tells none. */
  set(figures: QueueFigures | undefined): void;
}

/** Creates the gauges of queues: of the store, and so the same whoever of several processes tells them. */
export function createQueueMetrics(meter: Meter): QueueMetrics {
  let shown: readonly Queue[] = [];
  let untaken: readonly UntakenJobs[] = [];
  const gauge = (name: string, help: string, read: (stats: QueueStats, queue: Queue) => number) => {
    const samples = () => shown.map((queue) => ({ labels: { queue: queue.name }, value: read(queue.stats, queue) }));
    meter.gauges(name, help, samples, "max");
  };
  gauge("gotaskq_queue_depth", "Jobs waiting: ready, scheduled, retrying and limited.", pendingCount);
  gauge("gotaskq_queue_ready", "Jobs that could run now.", ({ ready }) => ready);
  gauge("gotaskq_queue_scheduled", "Jobs that wait for their time.", ({ scheduled }) => scheduled);
  gauge("gotaskq_queue_retrying", "Jobs that wait out a backoff.", ({ retrying }) => retrying);
  gauge("gotaskq_queue_limited", "Jobs whose time has come and that a limit holds back.", ({ limited }) => limited);
  gauge("gotaskq_queue_running", "Jobs leased to workers.", ({ running }) => running);
  gauge("gotaskq_queue_dead", "Jobs in the dead-letter queue now.", ({ dead }) => dead);
  gauge("gotaskq_queue_paused", "Whether the queue is paused: 1 or 0.", (_stats, { paused }) => (paused ? 1 : 0));
  gauge("gotaskq_oldest_ready_age_seconds", "How long the oldest ready job has been ready.", (stats) => {
    return (stats.oldestReadyAgeMs ?? 0) / 1000;
  });
  meter.gauges(
    "gotaskq_untaken_jobs",
    "Ready jobs of a type that no worker takes from their queue.",
    () => untaken.map(({ queue, type, jobs }) => ({ labels: { queue, type }, value: jobs })),
    "max",
  );
  return {
    set(figures) {
      shown = figures?.queues.slice(0, MAX_QUEUES) ?? [];
      untaken = figures?.untaken ?? [];
    },
  };
}
