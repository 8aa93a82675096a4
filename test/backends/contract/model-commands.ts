import fc from "fast-check";
import type { Release } from "../../../src/core/port/leases.js";
import type { BulkAction } from "../../../src/core/port/listing.js";
import type { JobUpdate } from "../../../src/core/port/new-jobs.js";
import type { QueueDefaults } from "../../../src/core/port/queue-defaults.js";
import type { Backoff, JobStatus, Progress } from "../../../src/model/job/job.js";
import type { RetryDecision } from "../../../src/model/job/outcome.js";
import type { PendingState } from "../../../src/model/job/pending-state.js";
import type { Unique, UniqueConflict, UniqueUntil } from "../../../src/model/job/unique.js";
import type { TraceContext } from "../../../src/model/log/trace-context.js";
import { QUEUE_ORDERINGS, type QueueOrdering, type QueueSettings } from "../../../src/model/queue/queue.js";
import type { RateLimit } from "../../../src/model/queue/rate-limit.js";
import { TRACE } from "../../support/job.js";
import { type ScheduleCommand, scheduleCommands } from "./model-schedules.js";

/** The queues of a model run: one with each ordering, and one with limits. */
export const QUEUES = ["default", "timed", "fair", "narrow"] as const;

/** The types of its jobs. */
export const TYPES = ["mail", "image", "report"] as const;

/** A job to create. */
export interface JobPlan {
  readonly queue: string;
  readonly type: string;
  readonly priority: number;
  readonly maxRetries: number;
  /** When it is ready, ms from now. A time in the past is passed on as such. */
  readonly inMs: number;
  readonly ttlMs: number | undefined;
  readonly requestId: string | undefined;
  /** Of its content, as far as request ids are concerned. */
  readonly digest: string;
  readonly traceContext: TraceContext | undefined;
  readonly backoff: Backoff;
  readonly open: number;
  readonly key: string | undefined;
  readonly unique: Unique | undefined;
  readonly onConflict: UniqueConflict;
}

/** What a queue keeps of its finished and dead jobs. */
export type RetentionPlan = Pick<QueueSettings, "completedTtlMs" | "maxCompleted" | "deadTtlMs" | "maxDead">;

/** How many jobs of a queue may run and wait. */
export type LimitPlan = Pick<QueueSettings, "maxConcurrency" | "maxConcurrencyPerKey" | "maxDepth">;

/**
 * Which lease a settlement names: the n-th from the latest, modulo their number, of the current leases, or of all
 * leases there ever were, or the job of one lease with the token of another.
 */
export interface LeaseChoice {
  readonly from: "current" | "ever" | "mixed";
  readonly nth: number;
}

/**
 * Which jobs: the n-th from the latest, modulo their number, of all in this status; without a status, of all there ever
 * were.
 */
export interface JobChoice {
  readonly status: JobStatus | undefined;
  readonly nth: number;
}

/** One step of a model run. */
export type Command =
  | { readonly kind: "enqueue"; readonly jobs: readonly JobPlan[]; readonly idsBackwards: boolean }
  | {
      readonly kind: "lease";
      readonly queues: readonly string[];
      readonly types: readonly string[];
      readonly max: number;
      readonly leaseMs: number;
      readonly worker: string;
    }
  | { readonly kind: "complete"; readonly items: readonly LeaseChoice[] }
  | { readonly kind: "release"; readonly items: readonly (LeaseChoice & Pick<Release, "isLost" | "delayMs">)[] }
  | {
      readonly kind: "fail";
      readonly items: readonly (LeaseChoice & { readonly retry: RetryDecision; readonly jitter: number })[];
    }
  | {
      readonly kind: "extend";
      readonly items: readonly (LeaseChoice & {
        readonly leaseMs: number | undefined;
        readonly progress: Progress | undefined;
      })[];
    }
  | { readonly kind: "cancel"; readonly job: JobChoice }
  | { readonly kind: "run"; readonly job: JobChoice }
  | {
      readonly kind: "update";
      readonly job: JobChoice;
      readonly changes: Pick<JobUpdate, "priority" | "payload">;
      /** When it is ready, as in `JobPlan`; undefined: as before. */
      readonly inMs: number | undefined;
    }
  | { readonly kind: "replay"; readonly jobs: readonly JobChoice[] }
  | { readonly kind: "remove"; readonly jobs: readonly JobChoice[]; readonly statuses: readonly JobStatus[] }
  | {
      readonly kind: "act";
      readonly action: BulkAction;
      readonly jobs: readonly JobChoice[];
      readonly types: readonly string[];
      readonly pendingStates: readonly PendingState[];
      readonly statuses: readonly JobStatus[];
    }
  | { readonly kind: "purge"; readonly queue: string }
  | { readonly kind: "pause"; readonly queue: string; readonly paused: boolean }
  | { readonly kind: "limit"; readonly queue: string; readonly limits: LimitPlan }
  | { readonly kind: "rate"; readonly queue: string; readonly rateLimit: RateLimit | null }
  | { readonly kind: "retain"; readonly queue: string; readonly limits: RetentionPlan }
  | { readonly kind: "preset"; readonly queue: string; readonly defaults: QueueDefaults }
  | { readonly kind: "reorder"; readonly queue: string; readonly ordering: QueueOrdering }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "setClock"; readonly ms: number }
  | ScheduleCommand;

/** The commands of one kind. */
export type CommandOf<K extends Command["kind"]> = Extract<Command, { readonly kind: K }>;

/** Settings of one run. */
export interface RunPlan {
  readonly commands: readonly Command[];
  /** Finished jobs that are kept per queue. */
  readonly maxCompletedJobs: number;
  /** Bytes of finished jobs that are kept in all queues. */
  readonly maxCompletedBytes: number;
  /** Whether the figures of the queues are read after each step, which must change nothing. */
  readonly watchFigures: boolean;
}

// Backends whose time does not stand still run ahead by less than 100 ms per run. All times differ by multiples of 200
// ms, so that this decides nothing.
const SECOND = 1000;

const queue = fc.constantFrom(...QUEUES);
const seconds = (min: number, max: number) => fc.integer({ min, max }).map((count) => count * SECOND);
const few = <T>(item: fc.Arbitrary<T>, maxLength = 3) => fc.array(item, { minLength: 1, maxLength, size: "max" });
const rarely = <T>(item: fc.Arbitrary<T>, freq = 3) => fc.option(item, { nil: undefined, freq });

/** Now and then as long as request ids are remembered. */
const passed = fc.oneof({ weight: 40, arbitrary: seconds(1, 6) }, { weight: 1, arbitrary: fc.constant(600 * SECOND) });

const jobPlan: fc.Arbitrary<JobPlan> = fc.record({
  queue: fc.oneof({ weight: 40, arbitrary: queue }, { weight: 1, arbitrary: fc.constant("nowhere") }),
  type: fc.constantFrom(...TYPES),
  priority: fc.constantFrom(0, 0, 1, 5, 10),
  maxRetries: fc.integer({ min: 0, max: 2 }),
  inMs: fc.constantFrom(0, 0, 0, 0, -5 * SECOND, -SECOND, SECOND, 3 * SECOND, 8 * SECOND),
  ttlMs: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, undefined, SECOND, 5 * SECOND),
  requestId: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom("r1", "r2", "auto:1") },
  ),
  digest: fc.constantFrom("x", "x", "x", "x", "x", "x", "y"),
  traceContext: fc.constantFrom(undefined, undefined, TRACE, { ...TRACE, tracestate: "", baggage: "" }),
  backoff: fc.constantFrom<Backoff>(
    { baseDelayMs: 1000, maxDelayMs: 2000 },
    { baseDelayMs: 1000, maxDelayMs: 9000, multiplier: 3 },
    { delaysMs: [2000, 1000] },
  ),
  open: fc.nat(15),
  key: fc.constantFrom(undefined, undefined, "a", "a", "b", "ü:|c"),
  unique: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    {
      weight: 2,
      arbitrary: fc.record({
        key: fc.constantFrom("one", "two | ü"),
        until: fc.constantFrom<UniqueUntil>("FINISHED", "STARTED"),
        holdMs: fc.constantFrom(0, 0, 4 * SECOND, 40 * SECOND),
      }),
    },
  ),
  onConflict: fc.constantFrom<UniqueConflict>("KEEP", "REPLACE", "REPLACE", "REFUSE"),
});

const leaseChoice = fc.record({
  from: fc.constantFrom("current" as const, "current" as const, "current" as const, "ever" as const, "mixed" as const),
  nth: fc.nat(8),
});

const releaseChoice = fc.record({
  from: leaseChoice.map(({ from }) => from),
  nth: fc.nat(8),
  isLost: fc.constantFrom(undefined, false, true, true),
  delayMs: fc.constantFrom(undefined, undefined, undefined, undefined, 0, 2 * SECOND),
});

const failure = fc.record({
  from: leaseChoice.map(({ from }) => from),
  nth: fc.nat(20),
  retry: fc.oneof(
    { weight: 5, arbitrary: fc.constant("DEFAULT" as const) },
    { weight: 2, arbitrary: fc.constant("NEVER" as const) },
    { weight: 2, arbitrary: fc.record({ afterMs: seconds(0, 4) }) },
  ),
  jitter: fc.constantFrom(0, 0.5, 1),
});

const extension = fc.record({
  from: leaseChoice.map(({ from }) => from),
  nth: fc.nat(20),
  leaseMs: rarely(seconds(1, 12), 6),
  progress: rarely(fc.record({ percent: fc.integer({ min: 0, max: 100 }), message: fc.constantFrom("", "half") })),
});

const inState = (...statuses: (JobStatus | undefined)[]) =>
  fc.record({ status: fc.constantFrom(...statuses), nth: fc.nat(20) });

const command: fc.Arbitrary<Command> = fc.oneof(
  ...scheduleCommands(queue),
  {
    weight: 24,
    arbitrary: fc.record({ kind: fc.constant("enqueue"), jobs: few(jobPlan, 5), idsBackwards: fc.boolean() }),
  },
  {
    weight: 32,
    arbitrary: fc.record({
      kind: fc.constant("lease"),
      queues: fc.oneof(fc.shuffledSubarray([...QUEUES], { minLength: 1 }), fc.constant([...QUEUES, "nowhere"])),
      types: fc.oneof(fc.constant([...TYPES]), fc.shuffledSubarray([...TYPES], { minLength: 1 })),
      max: fc.integer({ min: 1, max: 5 }),
      leaseMs: seconds(1, 9),
      worker: fc.constantFrom("w1", "w2"),
    }),
  },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("complete"), items: few(leaseChoice) }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("release"), items: few(releaseChoice) }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("fail"), items: few(failure) }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("extend"), items: few(extension) }) },
  {
    weight: 24,
    arbitrary: fc.record({
      kind: fc.constant("cancel"),
      job: inState("PENDING", "RUNNING", "RUNNING", "RUNNING", "DONE", "DEAD", undefined),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("run"),
      job: inState("PENDING", "PENDING", "PENDING", "PENDING", "RUNNING", "DONE", undefined),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("update"),
      job: inState("PENDING", "PENDING", "PENDING", "PENDING", "PENDING", "RUNNING", "DEAD", undefined),
      changes: fc.record({
        priority: fc.constantFrom(undefined, undefined, 0, 5, 10),
        payload: fc.constantFrom(undefined, undefined, null, '"other"', new Uint8Array([0, 10, 255])),
      }),
      inMs: fc.constantFrom(undefined, undefined, undefined, 0, -2 * SECOND, SECOND, 4 * SECOND),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("replay"), jobs: few(inState("DEAD", "DEAD", "DEAD", undefined)) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("remove"),
      jobs: few(inState("DEAD", "DONE", "CANCELED", undefined)),
      statuses: fc.subarray<JobStatus>(["DONE", "CANCELED", "DEAD"]),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("act"),
      action: fc.constantFrom<BulkAction>("CANCEL", "DELETE", "REPLAY"),
      jobs: few(inState("PENDING", "RUNNING", "DEAD", "DEAD", "DONE", "CANCELED", undefined), 6),
      types: fc.oneof(fc.constant([]), fc.subarray([...TYPES])),
      statuses: fc.oneof(fc.constant([]), fc.subarray<JobStatus>(["PENDING", "RUNNING", "DONE", "CANCELED", "DEAD"])),
      pendingStates: fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        fc.subarray<PendingState>(["READY", "SCHEDULED", "RETRYING", "LIMITED"]),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("purge"), queue }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pause"), queue, paused: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("limit"),
      queue,
      limits: fc.record({
        maxConcurrency: fc.constantFrom(0, 0, 1, 3),
        maxConcurrencyPerKey: fc.constantFrom(0, 1, 1, 2),
        maxDepth: fc.constantFrom(0, 0, 4, 8),
      }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("rate"),
      queue: fc.constantFrom("narrow", "timed"),
      // Slots lie a power of two of seconds apart, so that nothing is rounded, and no backend is a slot ahead.
      rateLimit: fc.option(
        fc.record({
          count: fc.constantFrom(1, 2),
          periodMs: fc.constantFrom(SECOND, 4 * SECOND, 8 * SECOND),
          burst: fc.constantFrom(1, 1, 3),
        }),
        { nil: null, freq: 2 },
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("retain"),
      queue,
      limits: fc.record({
        completedTtlMs: fc.constantFrom(null, null, 5 * SECOND),
        maxCompleted: fc.constantFrom(null, null, 0, 1),
        deadTtlMs: fc.constantFrom(null, 2 * SECOND, 10 * SECOND),
        maxDead: fc.constantFrom(null, 1, 1, 3),
      }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("preset"),
      queue,
      defaults: fc.record({
        defaultMaxRetries: fc.constantFrom(null, 0, 1),
        defaultBackoff: fc.constantFrom<Backoff | null>(
          null,
          { baseDelayMs: 1000, maxDelayMs: 1000 },
          { baseDelayMs: 1000, maxDelayMs: 4000, multiplier: 1 },
          { delaysMs: [1000] },
        ),
        defaultTimeoutMs: fc.constantFrom(null, 0, 60 * SECOND),
        defaultTtlMs: fc.constantFrom(null, null, 2 * SECOND, 60 * SECOND),
      }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("reorder"),
      queue,
      ordering: fc.constantFrom<QueueOrdering>(...QUEUE_ORDERINGS),
    }),
  },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("pass"), ms: passed }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("setClock"),
      // A backend may take a step of a second for drift.
      ms: fc.oneof(seconds(2, 40), seconds(-40, -2), fc.constantFrom(-864_000 * SECOND, 864_000 * SECOND)),
    }),
  },
) as fc.Arbitrary<Command>;

/** Any run of up to 120 commands: long enough for what takes several steps. */
export const runPlan: fc.Arbitrary<RunPlan> = fc.record({
  // Not biased towards short runs; a run that fails is shrunk as far as possible.
  commands: fc.noBias(fc.array(command, { maxLength: 120, size: "max" })),
  maxCompletedJobs: fc.constantFrom(2, 1000),
  maxCompletedBytes: fc.constantFrom(1500, 1e9),
  watchFigures: fc.boolean(),
});
