import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { isUnavailable } from "../core/errors.js";
import type { Observer } from "../core/observer.js";
import type { Queue } from "../core/queue.js";

/** Pairs of queue and type that get metrics of their own, beside those of known types; later ones count as "other". */
const MAX_PAIRS = 500;

/** Queues that get gauges of their own, by name. */
const MAX_QUEUES = 500;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Default metrics whose names promtool objects to: gauges named `_total`. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** What the server counts. */
export interface Metrics {
  /** Counts what the core does. */
  readonly observer: Observer;
  /** An RPC ended. */
  rpcEnded(method: string, code: string, seconds: number): void;
  /** A stream opened (+1) or ended (-1). */
  streams(method: string, change: 1 | -1): void;
  /** The page for Prometheus. */
  page(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Where the gauges come from. */
export interface MetricsSource {
  queues(): Promise<readonly Queue[]>;
  activeWorkers(): number;
  /** Whether the backend can be reached. */
  isAvailable(): boolean;
  /** Workers outside of the server, by how they take their jobs. */
  remoteWorkers(): { readonly streams: number; readonly polls: number };
  /** The types this server has handlers for: always counted by name, whatever else was submitted before. */
  readonly types: readonly string[];
}

/** Makes the metrics of one server, in a registry of its own. */
export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);

  const pair = ["queue", "type"] as const;
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: SECONDS });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[], collect?: () => void) =>
    new Gauge({ name, help, labelNames, registers, ...(collect && { collect }) });

  const enqueued = counter("gotaskq_jobs_enqueued_total", "Jobs created.", pair);
  const processed = counter(
    "gotaskq_jobs_processed_total",
    "Attempts ended, by how: done, failed, canceled, released.",
    [...pair, "status"],
  );
  const retried = counter("gotaskq_jobs_retried_total", "Failed attempts that will be retried.", pair);
  const dead = counter("gotaskq_jobs_dead_total", "Jobs that went to the dead-letter queue.", pair);
  const redelivered = counter("gotaskq_redeliveries_total", "Jobs handed out again after an earlier delivery.", pair);
  const leasesLost = counter("gotaskq_leases_lost_total", "Leases that ran out before their job was settled.", pair);
  const staleWrites = counter("gotaskq_stale_writes_total", "Writes refused because their lease was lost.", ["kind"]);
  const duration = histogram("gotaskq_job_duration_seconds", "Time from lease to outcome of an attempt.", pair);
  const pickup = histogram("gotaskq_job_pickup_seconds", "Time from a job being ready to its lease.", pair);
  const rpcDuration = histogram("gotaskq_rpc_duration_seconds", "Time to answer an RPC.", ["method", "code"]);
  const openStreams = gauge("gotaskq_open_streams", "Server streams open now.", ["method"]);
  gauge("gotaskq_active_workers", "Built-in handlers running now.", [], function (this: Gauge) {
    this.set(source.activeWorkers());
  } as () => void);
  gauge("gotaskq_backend_up", "Whether what keeps the jobs can be reached: 1 or 0.", [], function (this: Gauge) {
    this.set(source.isAvailable() ? 1 : 0);
  } as () => void);
  gauge(
    "gotaskq_remote_workers",
    "Remote workers known here, by how they take jobs: stream, poll.",
    ["kind"],
    function (this: Gauge) {
      const { streams, polls } = source.remoteWorkers();
      this.set({ kind: "stream" }, streams);
      this.set({ kind: "poll" }, polls);
    } as () => void,
  );
  const depth = gauge("gotaskq_queue_depth", "Jobs waiting, ready and scheduled.", ["queue"]);
  const running = gauge("gotaskq_queue_running", "Jobs leased to workers.", ["queue"]);
  const deadNow = gauge("gotaskq_queue_dead", "Jobs in the dead-letter queue now.", ["queue"]);
  const oldest = gauge("gotaskq_oldest_ready_age_seconds", "How long the oldest ready job has been ready.", ["queue"]);

  const known = new Set(source.types);
  const queues = new Set<string>();
  const pairs = new Set<string>();
  /** Labels from users are bounded. */
  function labels(queue: string, type: string): { queue: string; type: string } {
    const key = `${queue} ${type}`;
    if (!pairs.has(key)) {
      const isKnown = known.has(type) && queues.size < MAX_QUEUES;
      if (!isKnown && pairs.size >= MAX_PAIRS) return { queue: "other", type: "other" };
      if (isKnown) queues.add(queue);
      pairs.add(key);
    }
    return { queue, type };
  }

  const observer: Observer = {
    enqueued(queue, type, count) {
      enqueued.inc(labels(queue, type), count);
    },
    leased(queue, type, pickupMs, isRedelivery) {
      const by = labels(queue, type);
      pickup.observe(by, pickupMs / 1000);
      if (isRedelivery) redelivered.inc(by);
    },
    settled(kind, queue, type, status, durationMs) {
      const by = labels(queue, type);
      const ended = status === "CANCELED" ? "canceled" : ENDED[kind];
      processed.inc({ ...by, status: ended });
      duration.observe(by, durationMs / 1000);
      if (status === "DEAD") dead.inc(by);
      else if (kind === "fail" && status === "PENDING") retried.inc(by);
    },
    leaseLost(queue, type, status) {
      const by = labels(queue, type);
      leasesLost.inc(by);
      if (status === "DEAD") dead.inc(by);
    },
    staleWrite(kind) {
      staleWrites.inc({ kind });
    },
  };

  async function readQueues(): Promise<void> {
    // While the backend is away, the figures of queues are left out; the rest of the page tells why.
    const queues = await source.queues().catch((error) => {
      if (!isUnavailable(error)) throw error;
      return [];
    });
    for (const metric of [depth, running, deadNow, oldest]) metric.reset();
    for (const { name, stats } of queues.slice(0, MAX_QUEUES)) {
      const by = { queue: name };
      depth.set(by, stats.ready + stats.scheduled);
      running.set(by, stats.running);
      deadNow.set(by, stats.dead);
      oldest.set(by, (stats.oldestReadyAgeMs ?? 0) / 1000);
    }
  }

  return {
    observer,
    rpcEnded(method, code, seconds) {
      rpcDuration.observe({ method, code }, seconds);
    },
    streams(method, change) {
      openStreams.inc({ method }, change);
    },
    async page() {
      await readQueues();
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

const ENDED = { complete: "done", fail: "failed", release: "released" } as const;
