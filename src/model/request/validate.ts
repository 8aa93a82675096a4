import { errorText } from "../common/describe-error.js";
import { fieldInvalid } from "../common/errors.js";
import { LIMITS } from "../common/limits.js";
import { hasLoneSurrogate, isDeeper } from "../common/text.js";
import type { BackoffRequest } from "../job/backoff.js";
import { type Payload, payloadBytes } from "../job/job.js";
import { UNIQUE_CONFLICTS, UNIQUE_UNTIL, type UniqueRequest } from "../job/unique.js";
import { isBaggage, isTracestate, parseTraceparent, type TraceContext } from "../log/trace-context.js";
import { QUEUE_ORDERINGS, type QueueSettingsRequest } from "../queue/queue.js";
import type { RateLimitRequest } from "../queue/rate-limit.js";
import type { Violations } from "./violations.js";

/** A request to create a job. Times and durations in ms; defaults for missing fields are set by the core. */
export interface JobRequest {
  /** Default: the queue `default`. */
  readonly queue?: string | undefined;
  readonly type: string;
  /** JSON text, or bytes. */
  readonly payload?: Payload | undefined;
  readonly priority?: number | undefined;
  /** Delay from now; not together with `runAfter`. */
  readonly delayMs?: number | undefined;
  /** When the job becomes ready, ms since 1970; not together with `delayMs`. */
  readonly runAfter?: number | undefined;
  readonly maxRetries?: number | undefined;
  readonly backoff?: BackoffRequest | undefined;
  readonly timeoutMs?: number | undefined;
  /** How long from now it may wait for its first lease; then it is CANCELED. Not together with `expiresAt`. Default: for ever. */
  readonly ttlMs?: number | undefined;
  /** When it is CANCELED if it has not begun, ms since 1970; one that is over counts as now. Not together with `ttlMs`. */
  readonly expiresAt?: number | undefined;
  /** Whose it is, such as a tenant or an account: what the queue bounds and gives turns by. Up to 128 characters; default and "": none. */
  readonly key?: string | undefined;
  /** Of which there is to be one at a time. Default: any number. */
  readonly unique?: UniqueRequest | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly requestId?: string | undefined;
  /** The trace that the job belongs to. It does not count as content for `requestId`. */
  readonly traceContext?: TraceContext | undefined;
}

/** Adds a violation for each invalid field of a job to create. `now` is in ms since 1970. */
export function checkJob(violations: Violations, job: JobRequest, now: number): void {
  if (job.queue) violations.queueName("queue", job.queue);
  violations.text("type", job.type ?? "", 1, LIMITS.typeLength);
  checkPayload(violations, "payload", job.payload);
  violations.integer("priority", job.priority, 0, LIMITS.priority);
  violations.integer("maxRetries", job.maxRetries, 0, LIMITS.maxRetries);
  checkWhen(violations, job, now);
  violations.duration("timeout", job.timeoutMs);
  if (job.backoff) checkBackoff(violations, "backoff", job.backoff);
  violations.text("key", job.key, 0, LIMITS.keyLength);
  violations.text("requestId", job.requestId, 0, LIMITS.requestIdLength);
  if (job.ttlMs !== undefined || job.expiresAt !== undefined) checkExpiry(violations, job, now);
  if (job.unique) checkUnique(violations, job.unique);
  if (job.metadata) checkMetadata(violations, "metadata", job.metadata);
  if (job.traceContext) checkTraceContext(violations, "traceContext", job.traceContext);
}

/** Throws FIELD_INVALID for a batch of no jobs, or of too many. */
export function checkBatch(violations: Violations, { length }: readonly unknown[]): void {
  if (length >= 1 && length <= LIMITS.batch) return;
  violations.add("requests", `must have 1 to ${LIMITS.batch} jobs, has ${length}`);
  violations.throwIfAny();
}

/** What is to change of a PENDING job. Times and durations in ms. */
export interface UpdateRequest {
  readonly priority?: number | undefined;
  /** Ready so long from now; not together with `runAfter`. */
  readonly delayMs?: number | undefined;
  /** When it becomes ready, ms since 1970; not together with `delayMs`. */
  readonly runAfter?: number | undefined;
  /** JSON text, or bytes; null: none from now on. */
  readonly payload?: Payload | null | undefined;
}

/** Adds a violation for each invalid field of a change of a job, and one when it changes nothing. `now` is in ms since 1970. */
export function checkUpdate(violations: Violations, update: UpdateRequest, now: number): void {
  const { priority, delayMs, runAfter, payload } = update;
  violations.integer("priority", priority, 0, LIMITS.priority);
  checkWhen(violations, update, now);
  checkPayload(violations, "payload", payload ?? undefined);
  // A field that could not be read was set, too.
  if (violations.isEmpty && [priority, delayMs, runAfter, payload].every((each) => each === undefined)) {
    violations.add("update", "must set a priority, a delay, a time to run after or a payload");
  }
}

function checkWhen(violations: Violations, { delayMs, runAfter }: UpdateRequest, now: number): void {
  violations.duration("delay", delayMs);
  violations.time("runAfter", runAfter, now + LIMITS.delayMs);
  if (delayMs !== undefined && runAfter !== undefined) {
    violations.add("runAfter", "must not be set together with a delay");
  }
}

/** Adds a violation for each invalid field of a request for a unique job. */
function checkUnique(violations: Violations, { key, until, holdMs, onConflict }: UniqueRequest): void {
  violations.text("unique.key", key ?? "", 1, LIMITS.keyLength);
  violations.duration("unique.hold", holdMs);
  if (until !== undefined && !UNIQUE_UNTIL.includes(until)) {
    violations.add("unique.until", `must be one of ${UNIQUE_UNTIL.join(", ")}`);
  }
  if (onConflict !== undefined && !UNIQUE_CONFLICTS.includes(onConflict)) {
    violations.add("unique.onConflict", `must be one of ${UNIQUE_CONFLICTS.join(", ")}`);
  }
}

/** Checks the waits between retries: growing ones, or a list. */
function checkBackoff(violations: Violations, field: string, backoff: BackoffRequest): void {
  const { baseDelayMs, maxDelayMs, multiplier, delaysMs } = backoff;
  violations.duration(`${field}.baseDelay`, baseDelayMs);
  violations.duration(`${field}.maxDelay`, maxDelayMs);
  if (multiplier !== undefined && !(multiplier >= 1 && multiplier <= LIMITS.multiplier)) {
    violations.add(`${field}.multiplier`, `must be from 1 to ${LIMITS.multiplier}, got ${multiplier}`);
  }
  if (delaysMs === undefined) return;
  violations.count(`${field}.delays`, delaysMs, 1, LIMITS.backoffDelays);
  if (delaysMs.length <= LIMITS.backoffDelays) {
    for (const [at, ms] of delaysMs.entries()) violations.duration(`${field}.delays[${at}]`, ms ?? Number.NaN);
  }
  const others = { baseDelay: baseDelayMs, maxDelay: maxDelayMs, multiplier };
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) violations.add(`${field}.${name}`, `must not be set together with ${field}.delays`);
  }
}

/**
 * Checks by when a job has to begin: not before it may, as far as that can be told without a clock. A time in the past is no
 * mistake: a create that is repeated late must not be refused.
 */
function checkExpiry(violations: Violations, job: JobRequest, now: number): void {
  const { ttlMs, expiresAt, delayMs, runAfter } = job;
  violations.duration("ttl", ttlMs, 1);
  violations.time("expiresAt", expiresAt, now + LIMITS.delayMs);
  if (ttlMs !== undefined && expiresAt !== undefined) {
    violations.add("ttl", "must not be set together with a time to expire");
    violations.add("expiresAt", "must not be set together with a ttl");
  } else if (ttlMs !== undefined && delayMs !== undefined && ttlMs <= delayMs) {
    violations.add("ttl", "must be longer than the delay: the job would expire before it may run");
  } else if (expiresAt !== undefined && runAfter !== undefined && expiresAt <= runAfter) {
    violations.add("expiresAt", "must be after the time that the job may run");
  }
}

/** Checks the number of entries, and the length of their keys and values. */
export function checkMetadata(violations: Violations, field: string, metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata);
  if (entries.length > LIMITS.metadataEntries) {
    violations.add(field, `must have at most ${LIMITS.metadataEntries} entries, has ${entries.length}`);
    return;
  }
  for (const [key, value] of entries) {
    const name = key.slice(0, LIMITS.metadataKeyLength).toWellFormed();
    violations.text(`${field} key "${name}"`, key, 1, LIMITS.metadataKeyLength);
    if (typeof value !== "string") violations.add(`${field}["${name}"]`, "must be text");
    else violations.text(`${field}["${name}"]`, value, 0, LIMITS.metadataValueLength);
  }
}

/**
 * A copy of the metadata of a caller, who may go on to change it. Throws FIELD_INVALID when it cannot be read.
 *
 * @param path of the job in a batch
 */
export function copyMetadata(metadata: Readonly<Record<string, string>>, path: string): Record<string, string> {
  try {
    return { ...metadata };
  } catch (error) {
    throw fieldInvalid([{ field: `${path}metadata`, description: `cannot be read: ${errorText(error)}` }]);
  }
}

/** Adds a violation for each part of a trace context that is not valid. */
export function checkTraceContext(violations: Violations, field: string, context: TraceContext): void {
  const { traceparent, tracestate, baggage } = context;
  const { traceparentLength, tracestateBytes, baggageBytes } = LIMITS;
  if (!isText(violations, `${field}.traceparent`, traceparent, traceparentLength)) return;
  if (!isText(violations, `${field}.tracestate`, tracestate, tracestateBytes)) return;
  if (!isText(violations, `${field}.baggage`, baggage, baggageBytes)) return;
  if (traceparent !== "" && parseTraceparent(traceparent) === undefined) {
    violations.add(`${field}.traceparent`, "must be a traceparent of W3C Trace Context, as in 00-<32 hex>-<16 hex>-01");
  }
  if (tracestate !== "" && traceparent === "") violations.add(`${field}.tracestate`, "must come with a traceparent");
  else if (!isTracestate(tracestate)) {
    violations.add(
      `${field}.tracestate`,
      "must be a tracestate of W3C Trace Context: key=value, up to 32, with commas",
    );
  }
  if (!isBaggage(baggage)) violations.add(`${field}.baggage`, "must be W3C Baggage: key=value, with commas");
}

function isText(violations: Violations, field: string, value: unknown, max: number): boolean {
  if (typeof value !== "string") violations.add(field, "must be text");
  else if (value.length > max) violations.add(field, `must have at most ${max} bytes, has ${value.length}`);
  else return true;
  return false;
}

/** Checks a payload or result: size, depth, well-formed text. */
export function checkPayload(violations: Violations, field: string, payload: Payload | undefined): void {
  if (payload === undefined) return;
  const isText = typeof payload === "string";
  const size = payloadBytes(payload);
  if (size > LIMITS.payloadBytes) violations.add(isText ? field : `${field}Bytes`, tooManyBytes(size));
  else if (isText && isDeeper(payload, LIMITS.payloadDepth)) {
    violations.add(field, `must not be nested more than ${LIMITS.payloadDepth} deep`);
  } else if (isText) {
    const problem = surrogateProblem(payload);
    if (problem !== undefined) violations.add(field, problem);
  }
}

/** What a payload or result of so many bytes is refused with. */
export function tooManyBytes(size: number): string {
  return `must be at most ${LIMITS.payloadBytes} bytes, is ${size}`;
}

/** What JSON text with half of a surrogate pair alone is refused with. */
export const ILL_FORMED = "has text that is not well-formed Unicode";

/** The same where that half is escaped, as `JSON.stringify` writes it; undefined for other text. */
export function surrogateProblem(json: string): string | undefined {
  return hasLoneSurrogate(json) ? ILL_FORMED : undefined;
}

/** Adds a violation for each invalid queue setting. `path` is the prefix of their names, for example `settings.`. */
export function checkQueueSettings(violations: Violations, path: string, settings: QueueSettingsRequest): void {
  violations.integer(`${path}weight`, settings.weight, 1, LIMITS.weight);
  violations.integer(`${path}maxConcurrency`, settings.maxConcurrency, 0, LIMITS.maxConcurrency);
  violations.integer(`${path}maxConcurrencyPerKey`, settings.maxConcurrencyPerKey, 0, LIMITS.maxConcurrency);
  if (settings.rateLimit) checkRateLimit(violations, `${path}rateLimit`, settings.rateLimit);
  violations.integer(`${path}maxDepth`, settings.maxDepth, 0, LIMITS.maxDepth);
  violations.duration(`${path}completedTtl`, settings.completedTtlMs ?? undefined);
  violations.integer(`${path}maxCompleted`, settings.maxCompleted ?? undefined, 0, LIMITS.maxKept);
  // 0 would delete each at once, and stands for "no limit" elsewhere: who wants no limit leaves it out.
  violations.duration(`${path}deadTtl`, settings.deadTtlMs ?? undefined, 1);
  violations.integer(`${path}maxDead`, settings.maxDead ?? undefined, 1, LIMITS.maxKept);
  violations.integer(`${path}defaultMaxRetries`, settings.defaultMaxRetries ?? undefined, 0, LIMITS.maxRetries);
  if (settings.defaultBackoff) checkBackoff(violations, `${path}defaultBackoff`, settings.defaultBackoff);
  violations.duration(`${path}defaultTimeout`, settings.defaultTimeoutMs ?? undefined);
  violations.duration(`${path}defaultTtl`, settings.defaultTtlMs ?? undefined, 1);
  if (settings.ordering !== undefined && !QUEUE_ORDERINGS.includes(settings.ordering)) {
    violations.add(`${path}ordering`, "must be PRIORITY, RUN_AFTER or FAIR");
  }
}

function checkRateLimit(violations: Violations, field: string, { count, periodMs, burst }: RateLimitRequest): void {
  violations.integer(`${field}.count`, count ?? 0, 1, LIMITS.rateCount);
  if (periodMs === undefined || Number.isNaN(periodMs)) violations.add(`${field}.period`, "must be set");
  else violations.duration(`${field}.period`, periodMs, 1);
  violations.integer(`${field}.burst`, burst, 1, LIMITS.rateBurst);
  if (count <= LIMITS.rateCount && count > periodMs * LIMITS.ratePerMs) {
    violations.add(`${field}.count`, `must be at most ${LIMITS.ratePerMs} for each ms of the period, got ${count}`);
  }
}
