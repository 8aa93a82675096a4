// Not the global ones: test runners replace those when a test fakes its timers.
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import type { Transport } from "@connectrpc/connect";
import type { Job } from "../api/job.js";
import type { CallerOptions } from "../client/calls.js";
import { createTransportClient, type TaskQueueClient } from "../client/task-queue-client.js";
import { withExactMaps } from "../client/transport/exact-transport.js";
import { LIMITS } from "../model/common/limits.js";
import type { Handlers, HandlersOf } from "../model/handler/handler.js";
import type { JobFilter, OfTypes } from "../model/job/job-filter.js";
import type { AnyJobs, JobTypes, TypeOf } from "../model/job/job-types.js";
import { partsOf, type QueueParts, rememberParts } from "../queue-parts.js";
import { createLocalTaskQueue, type LocalTaskQueue, type TaskQueueOptions } from "../task-queue.js";
import { type DrainOptions, drain } from "./drain.js";
import { createMemoryTransport } from "./memory-transport.js";
import { settle, TestClock } from "./test-clock.js";

/** How long `stop` waits for handlers that run, ms of real time: then the clock goes on, and they are told to stop. */
const STOP_MS = 1000;

/** How far it goes on then each time, ms. */
const STOP_STEP_MS = 1000;

/** A move of the clock that is longer than this looks for time in which nothing happens, ms. */
const PASSED_OVER_MS = 10_000;

/** How long before something happens the clock begins to move as it does, ms: longer than the engine sleeps. */
const ROUSED_MS = 2000;

/** Where the jobs of a program are kept, and how: in memory here. */
type Places = "dataDir" | "durability" | "redisUrl" | "redisTls" | "redisPrefix" | "nodeId";

/** Settings of a queue for tests: those of `createTaskQueue`, but that it is in memory. Finished jobs are kept for a year. */
export interface TestQueueOptions<H = Handlers> extends Omit<TaskQueueOptions<H>, Places> {
  /** What its clock shows at first: a Date, or ms since 1970. Default: the first of June 2026, UTC. */
  readonly now?: Date | number | undefined;
}

/**
 * A task queue for tests: the real one, in memory, with a clock that stands still until it is moved. Delays, retries, schedules, leases, rates
 * and expiry go by that clock; handlers run as ever.
 */
export interface TestQueue<Jobs extends JobTypes<Jobs> = AnyJobs> extends LocalTaskQueue<Jobs> {
  /** What the clock shows, ms since 1970. */
  readonly now: number;
  /** Moves the clock by so many ms. What becomes due on the way happens in order: handlers of jobs begin. */
  advance(ms: number): Promise<void>;
  /**
   * Runs all jobs that there are handlers for, also those that come up meanwhile: waits for handlers, and moves the clock to each delay,
   * retry and slot of a rate. Jobs of paused queues stay. Rejects when jobs are left after `maxMs` of the clock, when a handler runs for
   * longer than `timeoutMs`, as one that waits for its timeout, which needs `advance`, and when handlers run more often than `maxRuns`.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** All jobs that match, the oldest first. */
  jobs<Type extends TypeOf<Jobs>>(filter: JobFilter<TypeOf<Jobs>> & OfTypes<Type>): Promise<readonly Job<Jobs, Type>[]>;
  jobs(filter?: JobFilter<TypeOf<Jobs>>): Promise<readonly Job<Jobs>[]>;
  /** Reaches its RPCs as a network would, for clients of Connect: see `createTestClient`. */
  readonly transport: Transport;
}

/** Creates a queue for tests, and starts it. */
export function createTestQueue(options?: TestQueueOptions): Promise<TestQueue>;
export function createTestQueue<Jobs extends JobTypes<Jobs>>(
  options?: TestQueueOptions<Partial<HandlersOf<Jobs>>>,
): Promise<TestQueue<Jobs>>;
export async function createTestQueue({ now, ...options }: TestQueueOptions<object> = {}): Promise<TestQueue> {
  const clock = new TestClock(now instanceof Date ? now.getTime() : now);
  const settings = { completeJobTtlMs: LIMITS.delayMs, ...options } as TaskQueueOptions;
  const queue = createLocalTaskQueue(settings, clock);
  const parts = partsOf(queue) as QueueParts;
  const { engine, leaseMs } = parts;
  // What is run here.
  const types = options.numWorkers === 0 ? [] : parts.types;

  async function jobs(filter: JobFilter = {}): Promise<readonly Job[]> {
    const found: Job[] = [];
    for await (const job of queue.list({ ...filter, order: "OLDEST" })) found.push(job);
    return found;
  }

  /** When the first job that waits for its time goes on, ms since 1970; undefined: none does. `only`: those of these types. */
  async function nextTime(only: readonly string[] | undefined): Promise<number | undefined> {
    let first: number | undefined;
    const at = (time: number) => {
      first = Math.min(first ?? time, time);
    };
    for (const job of await jobs({ statuses: ["PENDING"], types: only })) {
      const { heldBy, pendingState, runAfter, expiresAt } = job;
      if (only === undefined && expiresAt !== undefined) at(expiresAt);
      if (heldBy === "RATE_LIMIT") at((await engine.queues.get(job.queue)).nextSlotAt ?? clock.now() + 1);
      else if (heldBy === undefined && pendingState !== "READY") at(runAfter);
      // Somebody is about to run it.
      else if (heldBy === undefined && types.includes(job.type)) at(clock.now() + 1);
    }
    return first;
  }

  /** When the first schedule is due, ms since 1970; undefined: there is none. */
  async function nextSchedule(): Promise<number | undefined> {
    let first: number | undefined;
    for await (const { nextRunAt } of queue.schedules.list()) {
      if (nextRunAt !== undefined) first = Math.min(first ?? nextRunAt, nextRunAt);
    }
    return first;
  }

  /** Moves the clock. Time in which nothing is to happen is passed over: the engine looks around each second of it otherwise. */
  async function advance(ms: number): Promise<void> {
    const end = clock.monotonic() + ms;
    for (;;) {
      await settle();
      const left = end - clock.monotonic();
      if (left <= PASSED_OVER_MS) return clock.advance(left);
      // A job that runs has a lease, which may end.
      const isBusy = engine.activeWorkers > 0 || (await jobs({ statuses: ["RUNNING"] })).length > 0;
      const next = isBusy ? 0 : Math.min(inMs(await nextTime(undefined)), inMs(await nextSchedule()));
      const quiet = Math.min(next, left) - ROUSED_MS;
      if (quiet > 0) clock.jump(quiet);
      await clock.advance(Math.min(end - clock.monotonic(), 2 * ROUSED_MS));
    }
  }
  const inMs = (time: number | undefined) => (time === undefined ? Number.POSITIVE_INFINITY : time - clock.now());

  /** Handlers that never end hold up no test: what the queue waits for in its end goes by the clock. */
  async function stop({ timeoutMs = 10_000 }: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    let isStopped = false;
    const stopped = queue.stop({ timeoutMs }).finally(() => {
      isStopped = true;
    });
    const end = performance.now() + Math.min(STOP_MS, timeoutMs);
    for (let turn = 0; !isStopped; turn++) {
      if (turn > 10) await setTimeout(1);
      if (performance.now() > end) await clock.advance(STOP_STEP_MS);
      else await settle();
    }
    return stopped;
  }

  await queue.start();
  const test: TestQueue = {
    ...queue,
    stop,
    [Symbol.asyncDispose]: () => stop(),
    get now() {
      return clock.now();
    },
    advance,
    drain: (limits) => drain({ queue, parts, clock, types, nextTime, advance }, limits),
    jobs,
    transport: withExactMaps(createMemoryTransport(engine, { version: "test", leaseMs })),
  };
  rememberParts(test, parts);
  return test;
}

/** Creates a client of the queue, as of a server: calls are checked, encoded and answered as there, in this process and without a port. */
export function createTestClient<Jobs extends JobTypes<Jobs> = AnyJobs>(
  queue: TestQueue<Jobs>,
  options: CallerOptions = {},
): TaskQueueClient<Jobs> {
  return createTransportClient(queue.transport, options) as TaskQueueClient<Jobs>;
}
