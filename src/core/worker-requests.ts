import { LIMITS } from "../model/limits.js";
import { cutText } from "../model/text.js";
import { checkPayload } from "../model/validate.js";
import type { Violations } from "../model/violations.js";
import type { Completion, Extension, Failure, LeaseRef } from "./backend.js";
import type { Demand } from "./dispatcher.js";

/** What a worker says of itself; times in ms. */
export interface WorkerRequest extends Demand {
  readonly worker: string;
  /** Default: the lease of the server. */
  readonly leaseMs?: number | undefined;
}

/** A stream of jobs. */
export interface StreamRequest extends WorkerRequest {
  /** 0: 1. */
  readonly maxInFlight: number;
}

/** A poll for jobs. */
export interface PollRequest extends WorkerRequest {
  /** 0: 1. */
  readonly maxJobs: number;
  /** Default 0. */
  readonly waitMs?: number | undefined;
  /** "": none. */
  readonly requestId?: string | undefined;
}

/** A failure as a worker reports it. */
export type FailureReport = Omit<Failure, "jitter">;

/** Checks what streams and polls have in common. */
function checkWorker(found: Violations, { worker, queues, types, leaseMs }: WorkerRequest): void {
  found.text("worker", worker, 1, LIMITS.workerLength);
  found.duration("lease", leaseMs, LIMITS.minLeaseMs, LIMITS.maxLeaseMs);
  found.count("queues", queues, 0, LIMITS.filterEntries);
  found.count("types", types, 1, LIMITS.filterEntries);
  // Of a list that is too long, the length is enough to tell.
  if (queues.length <= LIMITS.filterEntries) {
    queues.forEach((name, index) => {
      found.queueName(`queues[${index}]`, name);
    });
  }
  if (types.length <= LIMITS.filterEntries) {
    types.forEach((type, index) => {
      found.text(`types[${index}]`, type, 1, LIMITS.typeLength);
    });
  }
  found.throwIfAny();
}

/** Checks a stream. */
export function checkStream(found: Violations, request: StreamRequest): void {
  found.integer("maxInFlight", request.maxInFlight, 0, LIMITS.maxInFlight);
  checkWorker(found, request);
}

/** Checks a poll. */
export function checkPoll(found: Violations, request: PollRequest): void {
  found.integer("maxJobs", request.maxJobs, 0, LIMITS.batch);
  found.duration("wait", request.waitMs, 0, LIMITS.waitMs);
  found.text("requestId", request.requestId, 0, LIMITS.requestIdLength);
  checkWorker(found, request);
}

/** Checks the items of a batch; of one of a wrong size, the size is enough to tell. */
function checkRefs(found: Violations, field: string, refs: readonly LeaseRef[]): void {
  found.count(field, refs, 1, LIMITS.batch);
  if (refs.length > LIMITS.batch) found.throwIfAny();
  refs.forEach(({ jobId, token }, index) => {
    found.enter(field, index);
    found.jobId("jobId", jobId);
    found.text("leaseToken", token, 1, LIMITS.tokenLength);
  });
  found.leave();
}

/** Checks completions. */
export function checkCompletions(found: Violations, items: readonly Completion[]): void {
  checkRefs(found, "completions", items);
  items.forEach(({ result }, index) => {
    found.enter("completions", index);
    checkPayload(found, "result", result);
  });
  found.leave();
  found.throwIfAny();
}

/** Checks failures; answers them with their texts cut to what is kept. */
export function checkFailures(found: Violations, items: readonly FailureReport[]): readonly FailureReport[] {
  checkRefs(found, "failures", items);
  items.forEach(({ retry }, index) => {
    found.enter("failures", index);
    if (typeof retry === "object") found.duration("retryAfter", retry.afterMs);
  });
  found.leave();
  found.throwIfAny();
  return items.map((item) => ({ ...item, error: cutText(item.error, LIMITS.errorLength).toWellFormed() }));
}

/** Checks extensions; answers them with their texts cut to what is kept. */
export function checkExtensions(found: Violations, items: readonly Extension[]): readonly Extension[] {
  checkRefs(found, "extensions", items);
  items.forEach(({ leaseMs, progress }, index) => {
    found.enter("extensions", index);
    found.duration("extension", leaseMs, LIMITS.minLeaseMs, LIMITS.maxLeaseMs);
    const percent = progress?.percent ?? 0;
    if (!(percent >= 0 && percent <= 100)) {
      found.add("progress.percent", `must be from 0 to 100, got ${percent}`);
    }
  });
  found.leave();
  found.throwIfAny();
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

/** Checks releases. */
export function checkReleases(found: Violations, items: readonly LeaseRef[]): void {
  checkRefs(found, "releases", items);
  found.throwIfAny();
}
