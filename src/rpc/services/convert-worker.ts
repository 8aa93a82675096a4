import { create } from "@bufbuild/protobuf";
import type { Progress as ProgressPb } from "../../../gen/gotaskq/v1/job_pb.js";
import { type Worker, WorkerKind as WorkerKindPb, WorkerSchema } from "../../../gen/gotaskq/v1/server_service_pb.js";
import {
  type ExtendOutcome,
  ExtendResult as ExtendResultPb,
  type JobFailure,
  type Lease as LeasePb,
  Retry,
  type SettleOutcome,
  SettleResult,
} from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { ExtendResult, Lease, LeaseRef, Settlement } from "../../core/port/leases.js";
import type { WorkerInfo, WorkerKind } from "../../core/remote/worker-info.js";
import type { Progress } from "../../model/job/job.js";
import type { Outcome, RetryDecision } from "../../model/job/outcome.js";
import type { Violations } from "../../model/request/violations.js";
import { fromJob, toMs } from "./convert.js";
import { fromDuration, fromMs } from "./times.js";

/** Most ids of running jobs that are listed for one worker. */
const MAX_JOB_IDS = 100;

const SETTLED: Readonly<Record<Outcome, SettleResult>> = {
  APPLIED: SettleResult.APPLIED,
  ALREADY_APPLIED: SettleResult.ALREADY_APPLIED,
  LEASE_LOST: SettleResult.LEASE_LOST,
  CANCELED: SettleResult.CANCELED,
};

const EXTENDED: Readonly<Record<ExtendResult["outcome"], ExtendResultPb>> = {
  OK: ExtendResultPb.OK,
  LEASE_LOST: ExtendResultPb.LEASE_LOST,
  CANCEL_REQUESTED: ExtendResultPb.CANCEL_REQUESTED,
};

const KINDS: Readonly<Record<WorkerKind, WorkerKindPb>> = {
  BUILT_IN: WorkerKindPb.BUILT_IN,
  STREAM: WorkerKindPb.STREAM,
  POLL: WorkerKindPb.POLL,
};

/** Converts a lease to its message, with the payload as text or not. */
export function fromLease({ job, token, expiresInMs }: Lease, isText: boolean): LeasePb {
  return {
    $typeName: "gotaskq.v1.Lease",
    job: fromJob(job, isText),
    leaseToken: token,
    leaseExpiresIn: fromDuration(expiresInMs),
  };
}

/** Converts the outcomes of settling leases, in the order of `refs`. */
export function fromSettlements(refs: readonly LeaseRef[], settlements: readonly Settlement[]): SettleOutcome[] {
  return settlements.map(({ outcome }, index) => ({
    $typeName: "gotaskq.v1.SettleOutcome",
    jobId: refs[index]?.jobId ?? "",
    result: SETTLED[outcome],
  }));
}

/** Converts the results of extending leases, in the order of `refs`. */
export function fromExtensions(refs: readonly LeaseRef[], results: readonly ExtendResult[]): ExtendOutcome[] {
  return results.map(({ outcome, expiresInMs }, index) => ({
    $typeName: "gotaskq.v1.ExtendOutcome",
    jobId: refs[index]?.jobId ?? "",
    result: EXTENDED[outcome],
    leaseExpiresIn: fromDuration(expiresInMs),
  }));
}

/** Returns whether, and after how many ms, the worker wants a retry. Adds to `violations` what is not valid. */
export function toRetry(violations: Violations, kind: JobFailure["retryKind"]): RetryDecision {
  if (kind.case === "retryAfter") return { afterMs: toMs(violations, "retryAfter", kind.value) ?? 0 };
  const retry = kind.value ?? Retry.UNSPECIFIED;
  if (retry === Retry.NEVER) return "NEVER";
  if (retry !== Retry.DEFAULT && retry !== Retry.UNSPECIFIED) violations.add("retry", `is not a retry: ${retry}`);
  return "DEFAULT";
}

/** Converts a progress report; undefined stays undefined. */
export function toProgress(progress: ProgressPb | undefined): Progress | undefined {
  return progress && { percent: progress.percent, message: progress.message };
}

/** Converts a worker to its message. */
export function fromWorker(worker: WorkerInfo): Worker {
  const { id, name, kind, queues, types, capacity, jobIds, leaseMs, since } = worker;
  return create(WorkerSchema, {
    ...{ id, name, kind: KINDS[kind], queues: [...queues], types: [...types], capacity },
    running: jobIds.length,
    jobIds: jobIds.slice(0, MAX_JOB_IDS),
    lease: fromDuration(leaseMs),
    connectedAt: fromMs(since),
  });
}
