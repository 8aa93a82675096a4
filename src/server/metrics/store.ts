import type { StoreFault, StoreObserver, StoreSizes } from "../../core/port/store-observer.js";
import type { Meter } from "./meter.js";
import type { CountSeries, ObservedSeries } from "./series.js";

/** The metrics of what keeps the jobs. */
export interface StoreMetrics {
  readonly observer: StoreObserver;
  /** Replaces the sizes of the page; undefined: they are not known. */
  set(sizes: StoreSizes | undefined): void;
}

/** Creates the metrics of the store. */
export function createStoreMetrics(meter: Meter): StoreMetrics {
  const duration = meter.histogram(
    "gotaskq_store_call_duration_seconds",
    "Time until the store has answered, by call: a script of Redis with its repeats; of a file commit (written), sync (on the disk).",
  );
  const callers = meter.counter(
    "gotaskq_store_callers_total",
    "Operations that these calls served: some share a call.",
  );
  const errors = meter.counter(
    "gotaskq_store_errors_total",
    "Calls that failed, by reason: unavailable, full (no room), other.",
  );
  const disconnects = meter
    .counter("gotaskq_store_disconnects_total", "Connections to Redis that broke; each is made anew.")
    .series({});
  let sizes: StoreSizes | undefined;
  meter.gauges(
    "gotaskq_store_bytes",
    "What the store takes, by part: jobs (in the memory of this process), file, wal, redis.",
    () => Object.entries(sizes?.bytes ?? {}).map(([part, value]) => ({ labels: { part }, value })),
    "max",
  );
  meter.gauge("gotaskq_store_limit_bytes", "What Redis may take (maxmemory).", () => sizes?.limitBytes, "max");
  meter.gauge("gotaskq_store_disk_free_bytes", "Free on the disk of the file.", () => sizes?.diskFreeBytes, "min");
  meter.gauge("gotaskq_store_pending", "Operations that wait for a commit, or calls that wait for Redis, now.", () => {
    return sizes?.pending;
  });

  const calls = new Map<string, { readonly time: ObservedSeries; readonly callers: CountSeries }>();
  const faults = new Map<string, CountSeries>();

  function newCall(call: string) {
    const made = { time: duration.series({ call }), callers: callers.series({ call }) };
    calls.set(call, made);
    return made;
  }

  function newFault(call: string, reason: StoreFault): CountSeries {
    const made = errors.series({ call, reason });
    faults.set(`${call} ${reason}`, made);
    return made;
  }

  return {
    observer: {
      called(call, seconds, count) {
        const found = calls.get(call) ?? newCall(call);
        found.time.observe(seconds);
        found.callers.value += count;
      },
      failed(call, reason) {
        (faults.get(`${call} ${reason}`) ?? newFault(call, reason)).value++;
      },
      disconnected() {
        disconnects.value++;
      },
    },
    set(read) {
      sizes = read;
    },
  };
}
