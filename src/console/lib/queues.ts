import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Queue, QueuesSnapshot, WatchQueuesResponse } from "../../../gen/gotaskq/v1/queue_service_pb.js";
import { live } from "./api.js";
import { link, useLive } from "./live.js";

/** How much of the past the charts show, s. */
export const HISTORY_S = 300;

/** How far back the shown throughput looks, s. */
const RATE_S = 5;

/** One moment of a queue, for the charts. */
export interface Sample {
  /** Seconds since 1970. */
  readonly time: number;
  readonly waiting: number;
  readonly running: number;
  readonly completed: number;
  /** Jobs completed a second, over the seconds before: second by second it would only flicker. */
  readonly perSecond: number;
}

/** The queues as the server told last; undefined before the first time. */
export const queues = signal<readonly Queue[] | undefined>(undefined);

/** The last minutes of each queue, as far as this tab has seen them. */
const histories = new Map<string, readonly Sample[]>();

/** The last minutes of a queue. */
export function historyOf(name: string): readonly Sample[] {
  return histories.get(name) ?? [];
}

/** Jobs that a queue completed a second, over the last seconds. */
export function throughputOf(name: string): number {
  return historyOf(name).at(-1)?.perSecond ?? 0;
}

function addSample({ name, stats }: Queue, time: number): void {
  if (stats === undefined) return;
  const past = historyOf(name);
  const before = past.at(-1);
  const completed = Number(stats.completed);
  if (before !== undefined && time <= before.time) return;
  // A server without a store begins at zero again, and so does a queue made anew.
  const isNew = before === undefined || completed < before.completed;
  const first = past.findLast((each) => each.time <= time - RATE_S) ?? past[0];
  const perSecond = isNew || first === undefined ? 0 : (completed - first.completed) / (time - first.time);
  const sample = { time, waiting: stats.ready + stats.scheduled, running: stats.running, completed, perSecond };
  histories.set(name, [...(isNew ? [] : past.filter((each) => each.time > time - HISTORY_S)), sample]);
}

function take({ queues: all }: QueuesSnapshot): void {
  // By the clock of this machine, which the quiet seconds are measured by too.
  for (const queue of all) addSample(queue, Date.now() / 1000);
  queues.value = all;
}

/** The server tells figures only when they change: quiet seconds are filled in, so that the charts go on. */
export function fillQuiet(): void {
  if (link.peek().state !== "live") return;
  const time = Date.now() / 1000;
  for (const queue of queues.peek() ?? []) {
    const last = historyOf(queue.name).at(-1);
    if (last !== undefined && time - last.time > 1.5) addSample(queue, time);
  }
}

/** Takes what a call answered of a queue, so that nobody waits for the next figures to see what was just done. */
export function takeQueue(queue: Queue | undefined): void {
  if (queue === undefined || queues.value === undefined) return;
  const others = queues.value.filter(({ name }) => name !== queue.name);
  queues.value = [...others, queue].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Watches all queues as the live stream of a page, and answers why it stopped for good, if it did. */
export function useQueues(onSnapshot?: (queues: readonly Queue[]) => void): Error | undefined {
  const [error, setError] = useState<Error>();
  useLive<WatchQueuesResponse>(
    {
      open: (signal) => live.queues.watchQueues({}, { signal }),
      onMessage: ({ event }) => {
        if (event.case === "snapshot") {
          take(event.value);
          onSnapshot?.(event.value.queues);
        }
      },
      onFinal: setError,
    },
    "queues",
  );
  return error;
}
