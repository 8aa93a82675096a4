import { Registry } from "prom-client";
import type { StoreObserver } from "../../core/port/store-observer.js";
import type { PagePart } from "./merge-pages.js";
import { createMeter } from "./meter.js";
import { createProcessMetrics, type ProcessSource, readAcross } from "./process.js";
import { createStoreMetrics } from "./store.js";

/** The metrics of a process that keeps jobs for others: its part of their page. What there is in the store, they tell. */
export interface StoreProcessMetrics {
  /** Counts what the store does. */
  readonly observer: StoreObserver;
  page(): Promise<PagePart>;
}

/** Creates the metrics of a store process. */
export function createStoreProcessMetrics(source: ProcessSource): StoreProcessMetrics {
  const registry = new Registry();
  const meter = createMeter();
  const { observer } = createStoreMetrics(meter);
  createProcessMetrics(meter, registry, source);
  const across = { ...readAcross(registry), ...meter.across() };
  return {
    observer,
    page: async () => ({ body: (await meter.write()) + (await registry.metrics()), across }),
  };
}
