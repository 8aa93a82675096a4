import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Observer } from "../../core/observer.js";
import { isUnavailable } from "../../model/errors.js";
import type { Queue } from "../../model/queue.js";
import { type CountSeries, type ObservedSeries, SeriesCounter, SeriesHistogram } from "./series.js";

/** Pairs of queue and type after which further ones count as "other", unless the server has a handler for the type. */
const MAX_PAIRS = 500;

/** Most queues that get gauges of their own (the first by name), and that get series of their own for known types. */
export const MAX_QUEUES = 500;

/** Upper bounds of the buckets of all histograms, s. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Default metrics that are left out because promtool rejects their names: gauges named `_total`. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** The metrics of a server. */
export interface Metrics {
  /** Counts what the core reports. */
  readonly observer: Observer;
  /** Called when an RPC has ended. */
  rpcEnded(method: string, code: string, seconds: number): void;
  /** Called when a stream has opened (+1) or ended (-1). */
  streams(method: string, change: 1 | -1): void;
  /** Resolves to the page that Prometheus scrapes. */
  page(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Where the values of the gauges come from. */
export interface MetricsSource {
  /** The queues that get gauges: the first `MAX_QUEUES`, by name. */
  queues(): Promise<readonly Queue[]>;
  /** Returns the number of built-in handlers that run now. */
  activeWorkers(): number;
  /** Whether the backend can be reached. */
  isAvailable(): boolean;
  /** Returns the number of remote workers, by how they take jobs. */
  remoteWorkers(): { readonly streams: number; readonly polls: number };
  /** Job types that this server has handlers for. They get series of their own however many other types came before. */
  readonly types: readonly string[];
}

interface PairLabels extends Record<string, string> {
  readonly queue: string;
  readonly type: string;
}

/** The series of the jobs of one queue and type. */
interface PairSeries {
  readonly labels: PairLabels;
  readonly enqueued: CountSeries;
  readonly pickup: ObservedSeries;
  readonly duration: ObservedSeries;
  /** Attempts that ended, by how. */
  readonly ended: Map<string, CountSeries>;
}

/** Creates the metrics of one server, in a registry of its own. */
export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);

  const pair = ["queue", "type"] as const;
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });
  const histogram = (name: string, help: string) => new SeriesHistogram(name, help, SECONDS, registry);
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[], collect?: () => void) =>
    new Gauge({ name, help, labelNames, registers, ...(collect && { collect }) });

  const enqueued = new SeriesCounter("gotaskq_jobs_enqueued_total", "Jobs created.", registry);
  const processed = new SeriesCounter(
    "gotaskq_jobs_processed_total",
    "Attempts ended, by how: done, failed, canceled, released.",
    registry,
  );
  const retried = counter("gotaskq_jobs_retried_total", "Failed attempts that will be retried.", pair);
  const dead = counter("gotaskq_jobs_dead_total", "Jobs that went to the dead-letter queue.", pair);
  const redelivered = counter("gotaskq_redeliveries_total", "Jobs handed out again after an earlier delivery.", pair);
  const leasesLost = counter("gotaskq_leases_lost_total", "Leases that ran out before their job was settled.", pair);
  const staleWrites = counter("gotaskq_stale_writes_total", "Writes refused because their lease was lost.", ["kind"]);
  const duration = histogram("gotaskq_job_duration_seconds", "Time from lease to outcome of an attempt.");
  const pickup = histogram("gotaskq_job_pickup_seconds", "Time from a job being ready to its lease.");
  const rpcDuration = histogram("gotaskq_rpc_duration_seconds", "Time to answer an RPC.");
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
  const named = new Set<string>();
  const pairs = new Map<string, Map<string, PairSeries>>();
  let count = 0;
  const makePair = (labels: PairLabels): PairSeries => ({
    labels,
    enqueued: enqueued.series(labels),
    pickup: pickup.series(labels),
    duration: duration.series(labels),
    ended: new Map(),
  });
  const other = makePair({ queue: "other", type: "other" });
  // A queue and type that are really named "other" share this series: a registry must not have the same series twice.
  pairs.set("other", new Map([["other", other]]));

  /** Returns the series of a queue and type. Their number is bounded, as the names come from users. */
  function pairOf(queue: string, type: string): PairSeries {
    return pairs.get(queue)?.get(type) ?? newPair(queue, type);
  }

  function newPair(queue: string, type: string): PairSeries {
    const isKnown = known.has(type) && named.size < MAX_QUEUES;
    if (!isKnown && count >= MAX_PAIRS) return other;
    if (isKnown) named.add(queue);
    count++;
    const made = makePair({ queue, type });
    const ofQueue = pairs.get(queue) ?? new Map<string, PairSeries>();
    pairs.set(queue, ofQueue.set(type, made));
    return made;
  }

  function endedOf(found: PairSeries, status: string): CountSeries {
    let series = found.ended.get(status);
    if (series === undefined) {
      series = processed.series({ ...found.labels, status });
      found.ended.set(status, series);
    }
    return series;
  }

  const observer: Observer = {
    enqueued(queue, type, created) {
      pairOf(queue, type).enqueued.value += created;
    },
    leased(queue, type, pickupMs, isRedelivery) {
      const found = pairOf(queue, type);
      found.pickup.observe(pickupMs / 1000);
      if (isRedelivery) redelivered.inc(found.labels);
    },
    settled(kind, queue, type, status, durationMs) {
      const found = pairOf(queue, type);
      endedOf(found, status === "CANCELED" ? "canceled" : ENDED[kind]).value++;
      found.duration.observe(durationMs / 1000);
      if (status === "DEAD") dead.inc(found.labels);
      else if (kind === "fail" && status === "PENDING") retried.inc(found.labels);
    },
    leaseLost(queue, type, status) {
      const { labels } = pairOf(queue, type);
      leasesLost.inc(labels);
      if (status === "DEAD") dead.inc(labels);
    },
    staleWrite(kind) {
      staleWrites.inc({ kind });
    },
  };

  const answered = new Map<string, Map<string, ObservedSeries>>();

  function newAnswered(method: string, code: string): ObservedSeries {
    const ofMethod = answered.get(method) ?? new Map<string, ObservedSeries>();
    const made = rpcDuration.series({ method, code });
    answered.set(method, ofMethod.set(code, made));
    return made;
  }

  async function readQueues(): Promise<void> {
    // While the backend cannot be reached, the gauges of queues are left out; `gotaskq_backend_up` shows why.
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
      (answered.get(method)?.get(code) ?? newAnswered(method, code)).observe(seconds);
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
