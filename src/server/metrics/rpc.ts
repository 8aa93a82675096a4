import type { RpcObserver } from "../../rpc/rpc-recorder.js";
import type { Meter } from "./meter.js";
import type { CountSeries, ObservedSeries } from "./series.js";

/** Creates the metrics of RPCs. Methods are those that exist, so their number is bounded. */
export function createRpcMetrics(meter: Meter): RpcObserver {
  const duration = meter.histogram("gotaskq_rpc_duration_seconds", "Time to answer an RPC, by method and code.");
  const refused = meter.counter(
    "gotaskq_rpc_items_refused_total",
    "Items of calls that decide each for itself which ended with an error, by method and code.",
  );
  const refusals = new Map<string, CountSeries>();
  const answered = new Map<string, Map<string, ObservedSeries>>();
  const open = new Map<string, number>();
  meter.gauges("gotaskq_open_streams", "Server streams open now, by method.", () =>
    [...open].map(([method, value]) => ({ labels: { method }, value })),
  );

  function newAnswered(method: string, code: string): ObservedSeries {
    const ofMethod = answered.get(method) ?? new Map<string, ObservedSeries>();
    const made = duration.series({ method, code });
    answered.set(method, ofMethod.set(code, made));
    return made;
  }

  return {
    rpcEnded(method, code, seconds) {
      (answered.get(method)?.get(code) ?? newAnswered(method, code)).observe(seconds);
    },
    itemsRefused(method, code, count) {
      const key = `${method} ${code}`;
      const series = refusals.get(key) ?? refused.series({ method, code });
      refusals.set(key, series);
      series.value += count;
    },
    streams(method, change) {
      open.set(method, (open.get(method) ?? 0) + change);
    },
  };
}
