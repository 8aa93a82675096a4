import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import { payload } from "../support/rpc.js";
import type { Random } from "./random.js";

/** The queues of the chaos test. */
export const QUEUES = ["default", "chaos-a", "chaos-b"] as const;

/** A job to create, and how it must end. */
export interface PlannedJob {
  readonly request: MessageInitShape<typeof CreateJobRequestSchema> & { readonly requestId: string };
  readonly status: JobStatus;
  readonly retryCount: number;
}

/** Plans the job with this number: most are quick, some run long enough to be hit by a fault, some fail. */
export function planJob(n: number, random: Random): PlannedJob {
  const base = {
    queue: random.pick(QUEUES) ?? "default",
    priority: random.between(0, 10),
    requestId: `chaos-${n}`,
    maxRetries: 3,
    ...(random.next() < 0.1 && {
      schedule: { case: "delay" as const, value: durationFromMs(random.between(1, 1000)) },
    }),
  };
  const planned = (type: string, content: Record<string, number>, status: JobStatus, retryCount: number) => ({
    request: { ...base, type, payloadKind: payload({ n, ...content }) },
    status,
    retryCount,
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
