import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  Lease,
  LeaseRequest,
  Release,
  Settlement,
} from "../../../core/port/leases.js";
import type { Outcome } from "../../../model/job/outcome.js";
import { queueOf } from "../../../model/queue/ids.js";
import { readJob, readStatus, type WrittenJob, writeJob, writeStatus } from "./jobs.js";
import { readPayload, type Whole, type WrittenPayload } from "./whole.js";

/** A request for leases without the function in it: the answer names the queues that it is to be called with. */
export type WrittenRequest = Omit<LeaseRequest, "emptied">;

export function writeRequest(request: LeaseRequest): WrittenRequest {
  const { queues, types, max, leaseMs, worker, isBuiltIn, maxBytes, requestId } = request;
  const written: Whole<WrittenRequest> = { queues, types, max, leaseMs, worker, isBuiltIn, maxBytes, requestId };
  return written;
}

/** A lease, as frames have it. */
export type WrittenLease = readonly [job: WrittenJob, token: string, expiresInMs: number];

export function writeLease({ job, token, expiresInMs }: Lease): WrittenLease {
  return [writeJob(job), token, expiresInMs];
}

export function readLease([job, token, expiresInMs]: WrittenLease): Lease {
  return { job: readJob(job), token, expiresInMs };
}

export type WrittenCompletion = readonly [jobId: string, token: string, result: WrittenPayload];

export function writeCompletion({ jobId, token, result }: Completion): WrittenCompletion {
  return [jobId, token, result ?? null];
}

export function readCompletion([jobId, token, result]: WrittenCompletion): Completion {
  return { jobId, token, result: readPayload(result) };
}

export type WrittenFailure = readonly [
  jobId: string,
  token: string,
  error: string,
  retry: Failure["retry"],
  jitter: number,
];

export function writeFailure({ jobId, token, error, retry, jitter }: Failure): WrittenFailure {
  return [jobId, token, error, retry, jitter];
}

export function readFailure([jobId, token, error, retry, jitter]: WrittenFailure): Failure {
  const failure: Whole<Failure> = { jobId, token, error, retry, jitter };
  return failure;
}

export type WrittenRelease = readonly [jobId: string, token: string, isLost: boolean | null, delayMs: number | null];

export function writeRelease({ jobId, token, isLost, delayMs }: Release): WrittenRelease {
  return [jobId, token, isLost ?? null, delayMs ?? null];
}

export function readRelease([jobId, token, isLost, delayMs]: WrittenRelease): Release {
  const release: Whole<Release> = { jobId, token, isLost: isLost ?? undefined, delayMs: delayMs ?? undefined };
  return release;
}

export type WrittenExtension = readonly [
  jobId: string,
  token: string,
  leaseMs: number | null,
  progress: Extension["progress"] | null,
];

export function writeExtension({ jobId, token, leaseMs, progress }: Extension): WrittenExtension {
  return [jobId, token, leaseMs ?? null, progress ?? null];
}

export function readExtension([jobId, token, leaseMs, progress]: WrittenExtension): Extension {
  const extension: Whole<Extension> = {
    jobId,
    token,
    leaseMs: leaseMs ?? undefined,
    progress: progress ?? undefined,
  };
  return extension;
}

const OUTCOMES: readonly Outcome[] = ["APPLIED", "ALREADY_APPLIED", "LEASE_LOST", "CANCELED"];

/** What became of a settlement: the outcome, and what it did if it changed the job. */
export type WrittenSettlement = number | readonly [outcome: number, type: string, status: number, durationMs: number];

export function writeSettlement({ outcome, applied }: Settlement): WrittenSettlement {
  const written = OUTCOMES.indexOf(outcome);
  if (applied === undefined) return written;
  return [written, applied.type, writeStatus(applied.status), applied.durationMs];
}

/** Reads what became of the settlement of this job. */
export function readSettlement(written: WrittenSettlement, jobId: string): Settlement {
  if (typeof written === "number") return { outcome: OUTCOMES[written] as Outcome };
  const [outcome, type, status, durationMs] = written;
  const applied: Whole<NonNullable<Settlement["applied"]>> = {
    queue: queueOf(jobId),
    type,
    status: readStatus(status),
    durationMs,
  };
  return { outcome: OUTCOMES[outcome] as Outcome, applied };
}

const EXTENSIONS: readonly ExtendResult["outcome"][] = ["OK", "LEASE_LOST", "CANCEL_REQUESTED"];

export type WrittenExtended = readonly [outcome: number, expiresInMs: number];

export function writeExtended({ outcome, expiresInMs }: ExtendResult): WrittenExtended {
  return [EXTENSIONS.indexOf(outcome), expiresInMs];
}

export function readExtended([outcome, expiresInMs]: WrittenExtended): ExtendResult {
  return { outcome: EXTENSIONS[outcome] as ExtendResult["outcome"], expiresInMs };
}
