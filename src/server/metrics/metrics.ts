import { Registry } from "prom-client";
import type { Backend } from "../../core/backend.js";
import type { Observer } from "../../core/observer.js";
import { createListQueues } from "../../core/operations/list-queues.js";
import type { StoreObserver, StoreSizes } from "../../core/port/store-observer.js";
import type { WorkerInfo } from "../../core/remote/worker-info.js";
import { shareNext } from "../../core/turns/share-next.js";
import { yieldToEventLoop } from "../../core/turns/yield-to-event-loop.js";
import { findUntaken } from "../../core/untaken.js";
import { TaskQueueError } from "../../model/common/errors.js";
import type { Queue } from "../../model/queue/queue.js";
import type { RpcObserver } from "../../rpc/rpc-recorder.js";
import { createJobMetrics } from "./jobs.js";
import { createMeter, type Meter } from "./meter.js";
import {
  createBuildMetrics,
  createProcessMetrics,
  type ProcessSource,
  readAcross,
  type ServerSource,
} from "./process.js";
import { createQueueMetrics, MAX_QUEUES, MAX_UNTAKEN, type QueueFigures } from "./queues.js";
import { createRpcMetrics } from "./rpc.js";
import type { Across } from "./series.js";
import { createStoreMetrics } from "./store.js";
import { createWorkerMetrics } from "./workers.js";

/** The page that Prometheus scrapes. */
export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

/** The type of all these pages. */
export const PAGE_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** The page of one process, and how it goes together with those of others. */
export interface ProcessPage extends MetricsPage {
  /** Gauges that are not added up, by name. */
  readonly across: Readonly<Record<string, Across>>;
}

/** The metrics of a server. */
export interface Metrics extends RpcObserver {
  /** Counts what the core reports. */
  readonly observer: Observer;
  /** Counts what the store does. */
  readonly storeObserver: StoreObserver;
  /** For parts of the server that have metrics of their own. */
  readonly meter: Meter;
  /** Makes the page. Calls that come meanwhile share the next. Other work comes in between its parts. */
  page(): Promise<ProcessPage>;
  /** Ends what measures. Idempotent. */
  stop(): void;
}

/** Where the values of the gauges come from. */
export interface MetricsSource extends ProcessSource, ServerSource {
  backend(): Backend;
  /** The workers of this server. */
  workers(): readonly WorkerInfo[];
  /** Returns the number of built-in handlers that run now. */
  activeWorkers(): number;
  /** Whether the backend can be reached. */
  isAvailable(): boolean;
  /** Job types that this server has handlers for. They get series of their own however many other types came before. */
  readonly types: readonly string[];
  /** The monotonic clock, ms. */
  monotonic(): number;
}

/** Creates the metrics of one server. The default ones of Node are in a registry of prom-client of their own. */
export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  const meter = createMeter();
  const jobs = createJobMetrics(meter, source.types);
  const queues = createQueueMetrics(meter);
  const rpc = createRpcMetrics(meter);
  const workers = createWorkerMetrics(meter, source.workers);
  meter.gauge("gotaskq_active_workers", "Built-in handlers running now.", source.activeWorkers);
  meter.gauge(
    "gotaskq_backend_up",
    "Whether what keeps the jobs can be reached: 1 or 0.",
    () => (source.isAvailable() ? 1 : 0),
    "min",
  );
  const store = createStoreMetrics(meter);
  let queueCount = 0;
  meter.gauge("gotaskq_queues", "Queues that exist; the first 500 by name have figures.", () => queueCount, "max");
  let isTeller = false;
  meter.gauge(
    "gotaskq_tells_queues",
    "Whether this server tells the figures of queues: one of a store does.",
    () => (isTeller ? 1 : 0),
    "max",
  );
  createBuildMetrics(meter, source);
  const stop = createProcessMetrics(meter, registry, source);
  const acrossOfNode = readAcross(registry);
  let listQueues: (() => Promise<readonly Queue[]>) | undefined;

  /** The figures of queues; undefined: another server tells them. */
  async function readQueues(): Promise<QueueFigures | undefined> {
    const backend = source.backend();
    if (!(await backend.claimFigures())) return undefined;
    listQueues ??= createListQueues(backend, MAX_QUEUES);
    const queues = await listQueues();
    return { queues, untaken: await findUntaken(backend, queues, source.workers(), MAX_UNTAKEN) };
  }

  /** What the store takes. That of a shared one is told with its queues, so that it is not told several times. */
  async function readSizes(): Promise<StoreSizes | undefined> {
    const sizes = await source.backend().sizes();
    return sizes.isShared && !isTeller ? { isShared: true, bytes: {}, pending: sizes.pending } : sizes;
  }

  async function read(): Promise<void> {
    const names = await source.backend().queueNames();
    queueCount = names.length;
    jobs.forget(new Set(names.map(({ name }) => name)), source.monotonic());
    // While they cannot be read, the gauges of queues are left out; `gotaskq_backend_up` shows why.
    const figures = await readQueues().catch((error) => {
      if (!(error instanceof TaskQueueError)) throw error;
      return undefined;
    });
    isTeller = figures !== undefined;
    queues.set(figures);
    store.set(await readSizes());
    await workers.read();
  }

  const page = shareNext(async () => {
    await read();
    const body = await meter.write();
    await yieldToEventLoop();
    const across = { ...acrossOfNode, ...meter.across() };
    return { contentType: PAGE_TYPE, body: body + (await registry.metrics()), across };
  });

  return { ...rpc, observer: jobs.observer, storeObserver: store.observer, meter, page, stop };
}
