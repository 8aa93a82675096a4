import { LIMITS } from "../../model/common/limits.js";
import { cutText } from "../../model/common/text.js";
import { checkPayload } from "../../model/request/validate.js";
import type { Violations } from "../../model/request/violations.js";
import type { Completion, Extension, Failure, LeaseRef, Release } from "../port/leases.js";
import type { JobSelector } from "./dispatcher.js";

/** What streams and polls have in common. Durations in ms. */
export interface WorkerRequest extends JobSelector {
  /** The name it leases under. */
  readonly worker: string;
  /** Default: the server's LEASE_DURATION. */
  readonly leaseMs?: number | undefined;
}

/** Request for a stream of jobs. */
export interface StreamRequest extends WorkerRequest {
  /** Most leases at the same time. 0 means 1. */
  readonly maxInFlight: number;
}

/** Request of a poll for jobs. */
export interface PollRequest extends WorkerRequest {
  /** Most jobs in the answer. 0 means 1. */
  readonly maxJobs: number;
  /** How long to wait for the first job. Default 0: only what is ready now. */
  readonly waitMs?: number | undefined;
  /** Makes the poll safe to repeat; see `LeaseRequest`. "" means none. */
  readonly requestId?: string | undefined;
}

/** A failure as a worker reports it; `Leasing` adds the jitter. */
export type FailureReport = Omit<Failure, "jitter">;

/** A release as a worker reports it. */
export type ReleaseReport = Omit<Release, "isLost">;

/** Checks what streams and polls have in common, then throws FIELD_INVALID if anything was wrong. */
function checkWorker(violations: Violations, { worker, queues, types, leaseMs }: WorkerRequest): void {
  violations.text("worker", worker, 1, LIMITS.workerLength);
  violations.duration("lease", leaseMs, LIMITS.minLeaseMs, LIMITS.maxLeaseMs);
  violations.count("queues", queues, 0, LIMITS.filterEntries);
  violations.count("types", types, 1, LIMITS.filterEntries);
  // In a list that is too long, only the length is reported.
  if (queues.length <= LIMITS.filterEntries) {
    queues.forEach((name, index) => {
      violations.queueName(`queues[${index}]`, name);
    });
  }
  if (types.length <= LIMITS.filterEntries) {
    types.forEach((type, index) => {
      violations.text(`types[${index}]`, type, 1, LIMITS.typeLength);
    });
  }
  violations.throwIfAny();
}

/** Checks the request for a stream. Throws FIELD_INVALID. */
export function checkStream(violations: Violations, request: StreamRequest): void {
  violations.integer("maxInFlight", request.maxInFlight, 0, LIMITS.maxInFlight);
  checkWorker(violations, request);
}

/** Checks the request of a poll. Throws FIELD_INVALID. */
export function checkPoll(violations: Violations, request: PollRequest): void {
  violations.integer("maxJobs", request.maxJobs, 0, LIMITS.batch);
  violations.duration("wait", request.waitMs, 0, LIMITS.waitMs);
  violations.text("requestId", request.requestId, 0, LIMITS.requestIdLength);
  checkWorker(violations, request);
}

/** Checks the job ids and lease tokens of a batch. Of a batch that is too large, only the size is reported. */
function checkRefs(violations: Violations, field: string, refs: readonly LeaseRef[]): void {
  violations.count(field, refs, 1, LIMITS.batch);
  if (refs.length > LIMITS.batch) violations.throwIfAny();
  refs.forEach(({ jobId, token }, index) => {
    violations.enter(field, index);
    violations.jobId("jobId", jobId);
    violations.text("leaseToken", token, 1, LIMITS.tokenLength);
  });
  violations.leave();
}

/** Checks completions. Throws FIELD_INVALID. */
export function checkCompletions(violations: Violations, items: readonly Completion[]): void {
  checkRefs(violations, "completions", items);
  items.forEach(({ result }, index) => {
    violations.enter("completions", index);
    checkPayload(violations, "result", result);
  });
  violations.leave();
  violations.throwIfAny();
}

/** Checks failures, or throws FIELD_INVALID. Returns them with error texts cut to the length that is stored. */
export function checkFailures(violations: Violations, items: readonly FailureReport[]): readonly FailureReport[] {
  checkRefs(violations, "failures", items);
  items.forEach(({ retry }, index) => {
    violations.enter("failures", index);
    if (typeof retry === "object") violations.duration("retryAfter", retry.afterMs);
  });
  violations.leave();
  violations.throwIfAny();
  return items.map((item) => ({ ...item, error: cutText(item.error, LIMITS.errorLength).toWellFormed() }));
}

/** Checks extensions, or throws FIELD_INVALID. Returns them with progress messages cut to the length that is stored. */
export function checkExtensions(violations: Violations, items: readonly Extension[]): readonly Extension[] {
  checkRefs(violations, "extensions", items);
  items.forEach(({ leaseMs, progress }, index) => {
    violations.enter("extensions", index);
    violations.duration("extension", leaseMs, LIMITS.minLeaseMs, LIMITS.maxLeaseMs);
    const percent = progress?.percent ?? 0;
    if (!(percent >= 0 && percent <= 100)) {
      violations.add("progress.percent", `must be from 0 to 100, got ${percent}`);
    }
  });
  violations.leave();
  violations.throwIfAny();
  return items.map(({ jobId, token, leaseMs, progress }) => ({
    jobId,
    token,
    leaseMs,
    progress: progress && {
      percent: progress.percent,
      message: cutText(progress.message, LIMITS.progressLength).toWellFormed(),
    },
  }));
}

/** Checks releases. Throws FIELD_INVALID. */
export function checkReleases(violations: Violations, items: readonly ReleaseReport[]): void {
  checkRefs(violations, "releases", items);
  items.forEach(({ delayMs }, index) => {
    violations.enter("releases", index);
    violations.duration("delay", delayMs);
  });
  violations.leave();
  violations.throwIfAny();
}
