import type { FailureReason, Observer } from "../../core/observer.js";
import type { Meter } from "./meter.js";
import type { CountSeries, Labels, ObservedSeries } from "./series.js";

/** Pairs of queue and type after which further ones count as "other", unless the server has a handler for the type. */
const MAX_PAIRS = 500;

/** Most queues that get series of their own for known types. */
const MAX_QUEUES = 500;

/** How long the series of a deleted queue are kept, ms: longer than from one scrape to the next, so that nothing they counted is missed. */
export const GONE_MS = 300_000;

/** The metrics of jobs. */
export interface JobMetrics {
  /** Counts what the core reports. */
  readonly observer: Observer;
  /**
   * Drops the series of queues that have been gone for `GONE_MS`, and makes their room free for others. `existing` are the queues that
   * there are, `now` is on the monotonic clock, ms.
   */
  forget(existing: ReadonlySet<string>, now: number): void;
}

/** The series of the jobs of one queue and type. */
interface PairSeries {
  readonly labels: Labels;
  readonly enqueued: CountSeries;
  readonly pickup: ObservedSeries;
  readonly duration: ObservedSeries;
  readonly retried: CountSeries;
  readonly dead: CountSeries;
  readonly redelivered: CountSeries;
  readonly leasesLost: CountSeries;
  readonly expired: CountSeries;
  readonly fired: CountSeries;
  /** Times of schedules that made no job, by reason. */
  readonly skipped: Map<string, CountSeries>;
  /** Attempts that ended, by how. */
  readonly ended: Map<string, CountSeries>;
  /** Those that failed, by reason and outcome. */
  readonly failures: Map<string, CountSeries>;
}

/** Creates the metrics of jobs. `types`: those with a handler here; they get series of their own however many came before. */
export function createJobMetrics(meter: Meter, types: readonly string[]): JobMetrics {
  const counters = {
    enqueued: meter.counter("gotaskq_jobs_enqueued_total", "Jobs created."),
    retried: meter.counter("gotaskq_jobs_retried_total", "Failed attempts that will be retried."),
    dead: meter.counter("gotaskq_jobs_dead_total", "Jobs that went to the dead-letter queue.", TELLS_ZEROS),
    redelivered: meter.counter("gotaskq_redeliveries_total", "Jobs handed out again after an earlier delivery."),
    leasesLost: meter.counter(
      "gotaskq_leases_lost_total",
      "Leases that ran out before their job was settled.",
      TELLS_ZEROS,
    ),
    expired: meter.counter(
      "gotaskq_jobs_expired_total",
      "Jobs canceled because they had not begun in time.",
      TELLS_ZEROS,
    ),
    fired: meter.counter("gotaskq_schedules_fired_total", "Jobs made by the times of schedules."),
  };
  const skipped = meter.counter(
    "gotaskq_schedules_skipped_total",
    "Firings of schedules that left out a time, by reason: overlap, misfire.",
  );
  const processed = meter.counter(
    "gotaskq_jobs_processed_total",
    "Attempts ended, by how: done, failed, canceled, released.",
  );
  const failures = meter.counter(
    "gotaskq_job_failures_total",
    "Attempts failed and leases lost, by reason (error, permanent, timeout, crashed, lease_lost) and outcome (retried, dead).",
  );
  const histograms = {
    duration: meter.histogram("gotaskq_job_duration_seconds", "Time from lease to outcome of an attempt."),
    pickup: meter.histogram("gotaskq_job_pickup_seconds", "Time from a job being ready to its lease."),
  };
  const stale = meter.counter("gotaskq_stale_writes_total", "Writes refused because their lease was lost.");
  const staleWrites = {
    complete: stale.series({ kind: "complete" }),
    fail: stale.series({ kind: "fail" }),
    release: stale.series({ kind: "release" }),
  };

  const known = new Set(types);
  const named = new Set<string>();
  const pairs = new Map<string, Map<string, PairSeries>>();
  /** Since when queues with series have been gone, ms on the monotonic clock. */
  const gone = new Map<string, number>();
  let count = 0;
  let other: PairSeries | undefined;

  function makePair(labels: Labels): PairSeries {
    return {
      labels,
      enqueued: counters.enqueued.series(labels),
      pickup: histograms.pickup.series(labels),
      duration: histograms.duration.series(labels),
      retried: counters.retried.series(labels),
      dead: counters.dead.series(labels),
      redelivered: counters.redelivered.series(labels),
      leasesLost: counters.leasesLost.series(labels),
      expired: counters.expired.series(labels),
      fired: counters.fired.series(labels),
      skipped: new Map(),
      ended: new Map(),
      failures: new Map(),
    };
  }

  /** Returns the series of a queue and type. Their number is bounded, as the names come from users. */
  function pairOf(queue: string, type: string): PairSeries {
    return pairs.get(queue)?.get(type) ?? newPair(queue, type);
  }

  /** The series of all that have none of their own. A queue and type that are really named "other" share them: a page must not have a series twice. */
  function otherPair(): PairSeries {
    other ??= makePair({ queue: "other", type: "other" });
    return other;
  }

  function newPair(queue: string, type: string): PairSeries {
    const isKnown = known.has(type) && named.size < MAX_QUEUES;
    const isOther = queue === "other" && type === "other";
    if (isOther || (!isKnown && count >= MAX_PAIRS)) return otherPair();
    if (isKnown) named.add(queue);
    count++;
    const made = makePair({ queue, type });
    const ofQueue = pairs.get(queue) ?? new Map<string, PairSeries>();
    pairs.set(queue, ofQueue.set(type, made));
    return made;
  }

  function endedOf({ ended, labels }: PairSeries, status: string): CountSeries {
    let series = ended.get(status);
    if (series === undefined) {
      series = processed.series({ ...labels, status });
      ended.set(status, series);
    }
    return series;
  }

  function failed(
    { failures: series, labels }: PairSeries,
    reason: FailureReason | "lease_lost",
    status: string,
  ): void {
    if (status === "CANCELED") return;
    const outcome = status === "DEAD" ? "dead" : "retried";
    const key = `${reason} ${outcome}`;
    const found = series.get(key) ?? failures.series({ ...labels, reason, outcome });
    series.set(key, found);
    found.value++;
  }

  function drop(queue: string): void {
    const ofQueue = pairs.get(queue) ?? new Map<string, PairSeries>();
    for (const pair of ofQueue.values()) {
      for (const name of Object.keys(counters) as (keyof typeof counters)[]) {
        counters[name].drop(pair[name]);
      }
      for (const name of ["duration", "pickup"] as const) histograms[name].drop(pair[name]);
      for (const series of pair.ended.values()) processed.drop(series);
      for (const series of pair.failures.values()) failures.drop(series);
      for (const series of pair.skipped.values()) skipped.drop(series);
      count--;
    }
    pairs.delete(queue);
    named.delete(queue);
    gone.delete(queue);
  }

  return {
    observer: {
      enqueued(queue, type, created) {
        pairOf(queue, type).enqueued.value += created;
      },
      leased(queue, type, pickupMs, isRedelivery) {
        const pair = pairOf(queue, type);
        pair.pickup.observe(pickupMs / 1000);
        if (isRedelivery) pair.redelivered.value++;
      },
      settled(kind, queue, type, status, durationMs, reason = "error") {
        const pair = pairOf(queue, type);
        endedOf(pair, status === "CANCELED" ? "canceled" : ENDED[kind]).value++;
        pair.duration.observe(durationMs / 1000);
        if (status === "DEAD") pair.dead.value++;
        else if (kind === "fail" && status === "PENDING") pair.retried.value++;
        if (kind === "fail") failed(pair, reason, status);
      },
      leaseLost(queue, type, status) {
        const pair = pairOf(queue, type);
        pair.leasesLost.value++;
        if (status === "DEAD") pair.dead.value++;
        failed(pair, "lease_lost", status);
      },
      expired(queue, type) {
        pairOf(queue, type).expired.value++;
      },
      scheduleFired(queue, type, made) {
        pairOf(queue, type).fired.value += made;
      },
      scheduleSkipped(queue, type, reason) {
        const { skipped: series, labels } = pairOf(queue, type);
        const found = series.get(reason) ?? skipped.series({ ...labels, reason: reason.toLowerCase() });
        series.set(reason, found);
        found.value++;
      },
      staleWrite(kind) {
        staleWrites[kind].value++;
      },
    },

    forget(existing, now) {
      for (const queue of [...pairs.keys()]) {
        if (existing.has(queue)) gone.delete(queue);
        else if (!gone.has(queue)) gone.set(queue, now);
        else if (now - (gone.get(queue) ?? now) >= GONE_MS) drop(queue);
      }
    },
  };
}

const TELLS_ZEROS = { tellsZeros: true };

const ENDED = { complete: "done", fail: "failed", release: "released" } as const;
