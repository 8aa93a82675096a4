import { createWorker, type TaskQueueClient } from "../../client/index.js";
import type { Logger } from "../../model/log/logger.js";
import type { Connection } from "../options/connection.js";
import { Latencies, type LatencySummary } from "./latencies.js";

/** The type of the jobs of a bench: nobody else takes it. */
const TYPE = "gotaskq.bench";

/** What load to make. Durations in ms. */
export interface Load {
  readonly queue: string;
  /** Jobs to create; undefined: as many as fit in `durationMs`. */
  readonly jobs: number | undefined;
  readonly durationMs: number;
  /** Calls under way at the same time. */
  readonly callers: number;
  /** Jobs of one call. */
  readonly batch: number;
  readonly payloadBytes: number;
  /** Handlers that run at the same time, in this process; 0: jobs are only created. */
  readonly handlers: number;
}

/** What came of it. Rates are of jobs a second. */
export interface BenchResult {
  readonly created: number;
  readonly createsPerSecond: number;
  /** Of one call each. */
  readonly createMs: LatencySummary | undefined;
  readonly run: number;
  readonly runsPerSecond: number;
  /** From the call that creates a job to its handler. */
  readonly pickUpMs: LatencySummary | undefined;
  /** Jobs that did not run. */
  readonly left: number;
  /** CPU of this process for each job, us: what clients and workers need. */
  readonly cpuMicros: number;
}

/** How long outcomes are kept for a server that is away, ms: nobody needs them, and the end waits for it. */
const LEASE_MS = 10_000;

/** How long jobs that were created may take to run in the end, ms, without one of them running. */
const STALL_MS = 10_000;

/**
 * Creates jobs as fast as it can while a worker in this process runs them. `stop` ends it early; what is there by then is told all the
 * same. `progress` hears each second how many were created and run. Rejects with the first error of a create.
 */
export async function runBench(
  client: TaskQueueClient,
  { urls, options }: Connection,
  load: Load,
  {
    stop,
    logger,
    progress,
  }: { readonly stop: AbortSignal; readonly logger: Logger; progress(created: number, run: number): void },
): Promise<BenchResult> {
  const { queue, jobs = Number.POSITIVE_INFINITY, durationMs, callers, batch, payloadBytes, handlers } = load;
  const creates = new Latencies();
  const pickUps = new Latencies();
  const filling = "x".repeat(payloadBytes);
  let asked = 0;
  let created = 0;
  let run = 0;
  let lastRunAt = 0;
  let whenAllRan = () => {};

  const worker =
    handlers === 0
      ? undefined
      : createWorker({
          url: urls,
          queues: [queue],
          concurrency: Math.min(handlers, 1000),
          leaseMs: LEASE_MS,
          prefetch: Math.min(handlers, 1000 - Math.min(handlers, 1000)),
          token: options.token,
          tls: options.tls,
          logger,
          handlers: {
            [TYPE](job) {
              lastRunAt = performance.now();
              pickUps.add(lastRunAt - Number(job.payload?.at));
              run++;
              if (run >= created) whenAllRan();
            },
          },
        });
  await worker?.start();
  const ticker = setInterval(() => progress(created, run), 1000);
  const cpu = process.cpuUsage();
  const start = performance.now();
  try {
    const isOver = () =>
      stop.aborted || asked >= jobs || (load.jobs === undefined && performance.now() - start >= durationMs);
    await Promise.all(Array.from({ length: callers }, caller));

    async function caller(): Promise<void> {
      while (!isOver()) {
        const size = Math.min(batch, jobs - asked);
        asked += size;
        const at = performance.now();
        const job = { queue, type: TYPE, payload: { at, ...(payloadBytes > 0 && { filling }) } };
        if (batch === 1) await client.create(job);
        else await client.createBatch(Array.from({ length: size }, () => job));
        creates.add(performance.now() - at);
        created += size;
      }
    }

    const createMs = performance.now() - start;
    if (worker !== undefined) await drained();
    const runMs = (run === 0 ? performance.now() : lastRunAt) - start;
    const { user, system } = process.cpuUsage(cpu);
    return {
      created,
      createsPerSecond: rate(created, createMs),
      createMs: creates.summary(),
      run,
      runsPerSecond: rate(run, runMs),
      pickUpMs: pickUps.summary(),
      left: created - run,
      cpuMicros: created === 0 ? 0 : Math.round(((user + system) / created) * 10) / 10,
    };
  } finally {
    clearInterval(ticker);
    await worker?.stop({ timeoutMs: 0 });
  }

  /** Resolves when all that was created has run, it is told to stop, or nothing runs any more. */
  async function drained(): Promise<void> {
    if (run >= created || stop.aborted) return;
    let stall: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      let before = run;
      whenAllRan = resolve;
      stop.addEventListener("abort", () => resolve(), { once: true });
      stall = setInterval(() => {
        if (run === before) resolve();
        before = run;
      }, STALL_MS);
    });
    clearInterval(stall);
  }
}

function rate(count: number, ms: number): number {
  return ms <= 0 ? 0 : Math.round((count * 1000) / ms);
}
