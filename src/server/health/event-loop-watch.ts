import type { Clock } from "../../core/clock.js";
import type { RecentRuns } from "../../core/handler-runner.js";
import { jobFields } from "../../model/log/job-fields.js";
import type { Logger } from "../../model/log/logger.js";
import type { Meter } from "../metrics/meter.js";

/** How often it is looked whether the event loop turns, ms. */
const EVERY_MS = 200;

/** A handler took this share of a block, or more, in one go: it was the one. */
const GUILTY = 0.8;

/** Dependencies of a watch. */
export interface EventLoopWatchDeps {
  readonly clock: Clock;
  /** Leaves out lines of the same cause that come one after the other: see `calmLogger`. */
  readonly logger: Logger;
  readonly meter: Meter;
  /** The handlers that ran in this process since the last call. Undefined: none run here. */
  readonly recent: (() => RecentRuns) | undefined;
  /** Calls `look` again and again, without keeping the process alive. Returns what ends that. Default: by a timer. */
  readonly every?: (ms: number, look: () => void) => () => void;
}

/**
 * Logs that the event loop was blocked for `warnMs` or longer, with the handler that did it, or those that ran then, and counts it.
 * Returns what ends the watch.
 */
export function watchEventLoop(deps: EventLoopWatchDeps, warnMs: number): () => void {
  const { clock, logger, meter, recent, every = byTimer } = deps;
  const blocks = meter
    .counter("gotaskq_event_loop_blocked_total", "Times that the event loop was blocked for EVENT_LOOP_WARN or longer.")
    .series({});
  let before = clock.monotonic();

  return every(EVERY_MS, () => {
    const now = clock.monotonic();
    const lateMs = now - before - EVERY_MS;
    before = now;
    const runs = recent?.();
    if (lateMs < warnMs) return;
    blocks.value++;
    const blocked_ms = Math.round(lateMs);
    if (runs?.longest !== undefined && runs.longest.ms >= GUILTY * lateMs) {
      logger.warn({ ...jobFields(runs.longest.job), blocked_ms }, "a handler blocked the event loop");
      return;
    }
    const jobs = runs?.jobs.map(({ id, type }) => ({ job_id: id, type }));
    logger.warn({ blocked_ms, ...(jobs && { jobs }) }, "the event loop was blocked; these handlers ran meanwhile");
  });
}

function byTimer(ms: number, look: () => void): () => void {
  const timer = setInterval(look, ms).unref();
  return () => clearInterval(timer);
}
