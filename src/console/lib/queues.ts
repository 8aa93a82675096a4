import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Queue, QueuesSnapshot, WatchQueuesResponse } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { pendingCount } from "../../model/queue/pending-counts.js";
import { live } from "./api.js";
import { link, useLive } from "./live.js";

/** How much of the past the charts show, s. */
export const HISTORY_S = 300;

/** The span over which the throughput is averaged, s. */
const RATE_S = 5;

/** The figures of a queue at one time, for the charts. */
export interface Sample {
  /** Seconds since 1970. */
  readonly time: number;
  readonly waiting: number;
  readonly running: number;
  readonly completed: number;
  /** Jobs completed per second, averaged over the last seconds: figures for single seconds would only flicker. */
  readonly perSecond: number;
}

/** The queues of the last snapshot; undefined before the first. */
export const queues = signal<readonly Queue[] | undefined>(undefined);

/** The last minutes of each queue, as far as this tab has seen them. */
const histories = new Map<string, readonly Sample[]>();

/** Returns the last minutes of a queue. */
export function historyOf(name: string): readonly Sample[] {
  return histories.get(name) ?? [];
}

/** Jobs per second that a queue has completed over the last seconds. */
export function throughputOf(name: string): number {
  return historyOf(name).at(-1)?.perSecond ?? 0;
}

function addSample({ name, stats }: Queue, time: number): void {
  if (stats === undefined) return;
  const past = historyOf(name);
  const before = past.at(-1);
  const completed = Number(stats.completed);
  if (before !== undefined && time <= before.time) return;
  // The count starts at zero again when the queue was created anew, or when a server that keeps jobs in memory was
  // restarted.
  const isNew = before === undefined || completed < before.completed;
  const first = past.findLast((each) => each.time <= time - RATE_S) ?? past[0];
  const perSecond = isNew || first === undefined ? 0 : (completed - first.completed) / (time - first.time);
  const sample = { time, waiting: pendingCount(stats), running: stats.running, completed, perSecond };
  histories.set(name, [...(isNew ? [] : past.filter((each) => each.time > time - HISTORY_S)), sample]);
}

/** What the server told of each queue on the open stream, and when, ms of this machine's clock. */
const told = new Map<string, { readonly queue: Queue; readonly at: number }>();

/** Whether the open stream has told nothing yet. */
let isFirst = true;

/** Notes the queues that changed. Returns whether that was all of one moment. */
function take({ queues: changed, gone, hasMore }: QueuesSnapshot): boolean {
  // By the clock of this machine, as `fillQuiet` measures by that too.
  const at = Date.now();
  for (const queue of changed) {
    addSample(queue, at / 1000);
    told.set(queue.name, { queue, at });
  }
  for (const name of gone) told.delete(name);
  if (!hasMore)
    queues.value = [...told.values()].map((each) => aged(each, at)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return !hasMore;
}

/** A queue as it is now: an age that only grows is not told again. */
function aged({ queue, at }: { readonly queue: Queue; readonly at: number }, now: number): Queue {
  const { stats } = queue;
  if (stats?.oldestReadyAge === undefined || now === at) return queue;
  return { ...queue, stats: { ...stats, oldestReadyAge: durationFromMs(durationMs(stats.oldestReadyAge) + now - at) } };
}

/** Adds samples for quiet seconds, so that the charts move on: the server sends figures only when they change. */
export function fillQuiet(): void {
  if (link.peek().state !== "live") return;
  const time = Date.now() / 1000;
  for (const queue of queues.peek() ?? []) {
    const last = historyOf(queue.name).at(-1);
    if (last !== undefined && time - last.time > 1.5) addSample(queue, time);
  }
}

/** Stores the queue that a call returned, so that the page shows the effect of an action before the next snapshot. */
export function takeQueue(queue: Queue | undefined): void {
  if (queue === undefined || queues.value === undefined) return;
  told.set(queue.name, { queue, at: Date.now() });
  const others = queues.value.filter(({ name }) => name !== queue.name);
  queues.value = [...others, queue].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Watches all queues as the live stream of a page. Returns why the watch has stopped for good, if it has. */
export function useQueues(onSnapshot?: (queues: readonly Queue[]) => void): Error | undefined {
  const [error, setError] = useState<Error>();
  useLive<WatchQueuesResponse>(
    {
      open: (signal) => {
        isFirst = true;
        return live.queues.watchQueues({ changesOnly: true }, { signal });
      },
      onMessage: ({ event }) => {
        if (event.case !== "snapshot") return;
        if (isFirst) told.clear();
        isFirst = false;
        if (take(event.value)) onSnapshot?.(queues.peek() ?? []);
      },
      onFinal: setError,
    },
    "queues",
  );
  return error;
}
