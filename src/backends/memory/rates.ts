import {
  afterChange,
  afterHandOut,
  afterPause,
  afterRefund,
  clampedRate,
  freeSlots,
  nextSlotAt,
  type RateLimit,
  type RateState,
} from "../../model/queue/rate-limit.js";
import type { Moment } from "./indexes/two-clocks.js";
import type { StoreJournal } from "./journal.js";
import type { Notices } from "./notices.js";
import type { QueueState } from "./queue-state.js";
import type { Visits } from "./visits.js";

/*
 * The rate of a queue in memory. Its times are on the monotonic clock. While it holds jobs back (`QueueState.isHeld`) nobody is
 * told that they are ready: a tick does that when their slot comes.
 */

/** What a rate tells when it holds jobs back, or lets them go. */
interface Told {
  readonly notices: Notices;
  readonly visits: Visits<QueueState>;
  readonly journal: StoreJournal | undefined;
}

/** How many jobs of a queue its rate lets go now. */
export function slotsOf({ settings, rateState }: QueueState, monotonic: number): number {
  return settings.rateLimit === null ? Number.POSITIVE_INFINITY : freeSlots(settings.rateLimit, rateState, monotonic);
}

/** How long the rate of a queue still holds its jobs back, ms; undefined: it does not. */
export function heldForMs({ settings, rateState }: QueueState, monotonic: number): number | undefined {
  if (settings.rateLimit === null || rateState === undefined) return undefined;
  const at = nextSlotAt(settings.rateLimit, rateState, monotonic);
  return at === undefined ? undefined : at - monotonic;
}

/** So many jobs of a queue were handed out. */
export function noteHandOut(store: Told, queue: QueueState, monotonic: number, count: number): void {
  const { rateLimit } = queue.settings;
  if (rateLimit === null || count === 0) return;
  const isMoreReady = queue.ready > 0;
  queue.rateState = afterHandOut(rateLimit, queue.rateState, monotonic, count, isMoreReady);
  store.journal?.queueChanged(queue);
  if (isMoreReady) hold(store, queue, monotonic);
}

/** Notes that a queue is held back, if it is. Returns whether it is. */
export function hold(store: Told, queue: QueueState, monotonic: number): boolean {
  const inMs = heldForMs(queue, monotonic);
  if (inMs === undefined) return false;
  queue.isHeld = true;
  store.visits.mark(queue);
  store.notices.due(inMs);
  return true;
}

/**
 * Tells that the jobs of a queue are ready when the slot that they were held back for has come. Returns ms until it does; infinity:
 * nothing is held back.
 */
export function letGo(store: Told, queue: QueueState, { monotonic }: Moment): number {
  if (queue.settings.rateLimit === null) return Number.POSITIVE_INFINITY;
  const inMs = queue.ready === 0 ? undefined : heldForMs(queue, monotonic);
  if (inMs !== undefined) return inMs;
  const wasHeld = queue.isHeld;
  queue.isHeld = false;
  if (wasHeld && queue.ready > 0) store.notices.ready(queue);
  return Number.POSITIVE_INFINITY;
}

/** So many hand-outs reached nobody. */
export function refund(store: Told, queue: QueueState, count: number): void {
  const { rateLimit } = queue.settings;
  if (rateLimit === null) return;
  queue.rateState = afterRefund(rateLimit, queue.rateState, count);
  store.journal?.queueChanged(queue);
}

/** Another rate is set. */
export function changeRate(queue: QueueState, rateLimit: RateLimit | null, monotonic: number): void {
  const before = queue.settings.rateLimit;
  const isRated = before !== null && rateLimit !== null;
  queue.rateState = isRated ? afterChange(before, rateLimit, queue.rateState, monotonic) : undefined;
}

/** The queue was paused or resumed. */
export function noteRatePause(queue: QueueState): void {
  queue.rateState = afterPause(queue.rateState);
}

/** What is saved of it: its time by the wall clock, as the monotonic one does not outlive the process. */
export interface SavedRate {
  readonly tat: number;
}

export function savedRate({ rateState }: QueueState, { now, monotonic }: Moment): SavedRate | undefined {
  return rateState && { tat: rateState.tat - monotonic + now };
}

export function restoredRate(
  rateLimit: RateLimit | null,
  saved: SavedRate | undefined,
  { now, monotonic }: Moment,
): RateState | undefined {
  if (rateLimit === null || saved === undefined) return undefined;
  return clampedRate(rateLimit, { tat: saved.tat - now + monotonic, isBehind: false }, monotonic);
}
