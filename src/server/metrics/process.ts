import { collectDefaultMetrics, type Registry } from "prom-client";
import type { Meter } from "./meter.js";
import type { Across } from "./series.js";

/** Default metrics that are left out because promtool rejects their names: gauges named `_total`. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** How often it is measured how late the event loop is, ms. */
const EVERY_MS = 100;

/** What a process tells of itself. */
export interface ProcessSource {
  /** Whether creates are refused because this process has no memory left. */
  readonly isMemoryFull: () => boolean;
}

/** What a server tells of itself. */
export interface ServerSource {
  readonly version: string;
  /** The node id in its job ids. */
  readonly node: () => number;
  /** Its store. */
  readonly backend: () => { readonly kind: string };
}

/** Creates the metric that tells what a server is. */
export function createBuildMetrics(meter: Meter, { version, node, backend }: ServerSource): void {
  meter.gauges(
    "gotaskq_build_info",
    "Always 1: version, node id and backend of this server.",
    () => [{ labels: { version, node: String(node()), backend: backend().kind }, value: 1 }],
    "max",
  );
}

/** Creates the metrics of the process, with the default ones of Node. Returns what ends the measuring. */
export function createProcessMetrics(meter: Meter, registry: Registry, source: ProcessSource): () => void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  meter.gauge(
    "gotaskq_memory_full",
    "Whether creates are refused because this process has no memory left.",
    () => (source.isMemoryFull() ? 1 : 0),
    "max",
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

/**
 * How the metrics of prom-client in several processes make those of one page: by what it says of each for its own clusters. Of lags,
 * which it would average, the worst is told; of starts, which it would leave out, the first.
 */
export function readAcross(registry: Registry): Readonly<Record<string, Across>> {
  const found: Record<string, Across> = {};
  for (const metric of registry.getMetricsAsArray()) {
    // Its types leave that out.
    const { name, aggregator } = metric as { readonly name: string; readonly aggregator?: string };
    if (aggregator !== undefined && aggregator !== "sum") found[name] = ACROSS[aggregator] ?? "max";
  }
  return found;
}

const ACROSS: Readonly<Record<string, Across>> = { min: "min", omit: "min" };
