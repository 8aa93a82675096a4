import { collectDefaultMetrics, type Registry } from "prom-client";
import type { Meter } from "./meter.js";

/** Default metrics that are left out because promtool rejects their names: gauges named `_total`. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** How often it is measured how late the event loop is, ms. */
const EVERY_MS = 100;

/** What a process tells of itself. */
export interface ProcessSource {
  readonly version: string;
  /** The node id in its job ids. */
  readonly node: () => number;
  /** Its store. */
  readonly backend: () => { readonly kind: string };
  /** Whether creates are refused because this process has no memory left. */
  readonly isMemoryFull: () => boolean;
}

/** Creates the metrics of the process, with the default ones of Node. Returns what ends the measuring. */
export function createProcessMetrics(meter: Meter, registry: Registry, source: ProcessSource): () => void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const { version, node, backend, isMemoryFull } = source;
  meter.gauges("gotaskq_build_info", "Always 1: version, node id and backend of this server.", () => [
    { labels: { version, node: String(node()), backend: backend().kind }, value: 1 },
  ]);
  meter.gauge("gotaskq_memory_full", "Whether creates are refused because this process has no memory left.", () =>
    isMemoryFull() ? 1 : 0,
  );
  const delay = meter
    .histogram(
      "gotaskq_event_loop_delay_seconds",
      "How late a timer of 0.1 s was: a blocked event loop is one long delay.",
    )
    .series({});
  let before = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    delay.observe(Math.max(0, now - before - EVERY_MS) / 1000);
    before = now;
  }, EVERY_MS).unref();
  return () => clearInterval(timer);
}
