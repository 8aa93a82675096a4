import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import { payload } from "../support/rpc.js";
import { limitsOf, type QueueLimits } from "./limits.js";
import type { Random } from "./random.js";

/** What there is to choose from. */
export interface World {
  readonly queues: readonly string[];
  /** What those of them bound that bound anything, by name. */
  readonly limits: ReadonlyMap<string, QueueLimits>;
  /** Types that only remote workers run. */
  readonly types: readonly string[];
}

/** Returns the names of so many queues and types, and what the queues bound if they are to have limits. */
export function createWorld(queues: number, types: number, hasLimits = false): World {
  const names = ["default", ...Array.from({ length: queues - 1 }, (_, at) => `chaos-${at}`)];
  return {
    queues: names,
    limits: new Map(
      names.flatMap((name, at) => {
        const limits = hasLimits ? limitsOf(at) : undefined;
        return limits === undefined ? [] : [[name, limits] as const];
      }),
    ),
    types: Array.from({ length: types }, (_, at) => `remote-${at}`),
  };
}

/** A job to create, and how it must end. */
export interface PlannedJob {
  readonly requestId: string;
  /** Characters of its payload, but for some dozens. */
  readonly size: number;
  readonly status: JobStatus;
  readonly retryCount: number;
  /** Makes the request anew: with a large payload it is not kept. */
  request(): MessageInitShape<typeof CreateJobRequestSchema>;
}

const KILO = 1000;

/** Payloads up to 1 MB: most are small. */
function sizeOf(random: Random): number {
  const kind = random.next();
  if (kind < 0.975) return 0;
  return kind < 0.997 ? random.between(1, 64 * KILO) : random.between(64 * KILO, 1000 * KILO);
}

/** Keys of jobs, in queues that have limits. */
const KEYS = 4;

/** Plans the job with this number: most are quick, some run long enough to be hit by a fault, some fail, some are large. */
export function planJob({ queues, limits, types }: World, n: number, random: Random): PlannedJob {
  const queue = random.pick(queues) ?? "default";
  const bounds = limits.get(queue);
  const base = {
    queue,
    // One in five has no key.
    ...(bounds && bounds.maxConcurrencyPerKey > 0 && { key: ["", "a", "b", "c", "d"][random.between(0, KEYS)] ?? "" }),
    // Each of them is unique, and no two compete: see unique.ts for those that do.
    ...(bounds && bounds.maxConcurrency > 0 && { unique: { key: `chaos-${n}` }, ttl: durationFromMs(3_600_000) }),
    priority: random.between(0, 10),
    requestId: `chaos-${n}`,
    maxRetries: 3,
    ...(random.next() < 0.1 && {
      schedule: { case: "delay" as const, value: durationFromMs(random.between(1, 1000)) },
    }),
  };
  const size = sizeOf(random);
  // Remote workers do what the payload says, servers what the type says.
  const remote = random.next() < 0.5 ? random.pick(types) : undefined;
  const planned = (type: string, content: Record<string, number>, status: JobStatus, retryCount: number) => ({
    requestId: base.requestId,
    size,
    status,
    retryCount,
    request: () => ({
      ...base,
      type: remote ?? type,
      payloadKind: payload({ n, ...content, ...(size > 0 && { size, pad: "x".repeat(size) }) }),
    }),
  });
  const kind = random.next();
  if (kind < 0.5) return planned("noop", {}, JobStatus.DONE, 0);
  if (kind < 0.75) return planned("sleep", { ms: random.between(1, 30) }, JobStatus.DONE, 0);
  if (kind < 0.8) return planned("sleep", { ms: random.between(100, 900) }, JobStatus.DONE, 0);
  // Three retries: the fourth failure kills the job.
  const failures = random.between(1, 4);
  return planned(
    "flaky",
    { failures },
    failures > base.maxRetries ? JobStatus.DEAD : JobStatus.DONE,
    Math.min(failures, base.maxRetries),
  );
}
