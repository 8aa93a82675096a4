import { type TraceContext as TraceContextPb, TraceContextSchema } from "../../gen/gotaskq/v1/job_pb.js";
import { type CreateJobRequest, CreateJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import type { BackoffRequest } from "../model/backoff.js";
import { fieldInvalid } from "../model/errors.js";
import type { JsonValue } from "../model/handler.js";
import type { TraceContext } from "../model/trace-context.js";
import type { UniqueRequest } from "../model/unique.js";
import { copyMetadata } from "../model/validate.js";
import { toBackoff } from "./backoff.js";
import { type Converters, converters } from "./converters.js";
import { payloadFormat, toPayloadKind } from "./json.js";
import { toUnique } from "./unique.js";

/** A job to create. Durations in ms. */
export interface NewJob {
  /** Name of its queue. Default: `default`. */
  readonly queue?: string | undefined;
  /** Selects the handler. */
  readonly type: string;
  /** Any JSON value, or bytes. */
  readonly payload?: JsonValue | Uint8Array | undefined;
  /** 0 (default) to 10, higher first. */
  readonly priority?: number | undefined;
  /** Wait before it is ready, from now. Not together with `runAfter`. Default: none. */
  readonly delayMs?: number | undefined;
  /** When it is ready: a Date, or ms since 1970. */
  readonly runAfter?: Date | number | undefined;
  /** Retries after a failed attempt. Default: the server's. */
  readonly maxRetries?: number | undefined;
  /** The waits between retries, that grow or stand in a list. Default: the server's. */
  readonly backoff?: BackoffRequest | undefined;
  /** Longest run of one attempt. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long it may wait to be given to a worker; after that it is CANCELED. Not together with `expiresAt`. Default: for ever.
   */
  readonly ttlMs?: number | undefined;
  /** The same as a time: a Date, or ms since 1970. */
  readonly expiresAt?: Date | number | undefined;
  /**
   * Of which there is to be one at a time in the queue: by its `key`, until it is FINISHED (default) or STARTED, for `holdMs` at the
   * least. `onConflict` says what happens while another job holds the key: KEEP (default) answers that job, REPLACE gives it this
   * content and time while it waits, REFUSE throws JOB_EXISTS. Default: any number.
   */
  readonly unique?: UniqueRequest | undefined;
  /**
   * Whose it is, such as a tenant or an account: what the queue bounds (`maxConcurrencyPerKey`) and gives turns by (`FAIR`).
   * Default: none.
   */
  readonly key?: string | undefined;
  /** Labels kept with the job. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * Makes a create safe to repeat: one with the same request id returns the job that it created and creates none, as long as
   * the queue keeps that job, and for 10 minutes at the least. With another content it is refused with REQUEST_ID_REUSED.
   * Default: an id that the client makes, so that a retried call creates one job.
   */
  readonly requestId?: string | undefined;
  /**
   * The trace that the job belongs to, as in headers of W3C. It does not count as content for `requestId`. Default: that of the
   * headers of the call.
   */
  readonly traceContext?: Partial<TraceContext> | undefined;
}

/**
 * Converts a new job for a request. Throws FIELD_INVALID for values that a message cannot carry; the server checks the
 * rest.
 *
 * @param requestId used when the job has none
 * @param path of the job in a batch, for the fields named in errors
 */
export function toCreateRequest(job: NewJob, requestId: string, path = ""): CreateJobRequest {
  const { queue, type, payload, priority = 0, delayMs, runAfter, maxRetries, backoff, timeoutMs, metadata } = job;
  if (delayMs !== undefined && runAfter !== undefined) {
    throw fieldInvalid([{ field: `${path}delayMs`, description: "cannot be set together with runAfter" }]);
  }
  const { text, int, duration, time } = converters(path);
  // A literal: `create` looks at every field.
  const request: CreateJobRequest = {
    $typeName: CreateJobRequestSchema.typeName,
    queue: text("queue", queue ?? ""),
    type: text("type", type ?? ""),
    payloadKind: toPayloadKind(`${path}payload`, payload),
    priority: int("priority", priority),
    schedule: { case: undefined },
    metadata: toMetadata(metadata, path, text),
    requestId: text("requestId", job.requestId ?? requestId),
    key: text("key", job.key ?? ""),
    payloadFormat,
  };
  if (delayMs !== undefined) request.schedule = { case: "delay", value: duration("delayMs", delayMs) };
  if (runAfter !== undefined) request.schedule = { case: "runAfter", value: time("runAfter", runAfter) };
  if (job.ttlMs !== undefined) request.ttl = duration("ttlMs", job.ttlMs);
  if (job.expiresAt !== undefined) request.expiresAt = time("expiresAt", job.expiresAt);
  if (job.unique !== undefined) {
    text("unique.key", job.unique.key);
    request.unique = toUnique(job.unique, duration, `${path}unique.`);
  }
  if (maxRetries !== undefined) request.maxRetries = int("maxRetries", maxRetries);
  if (timeoutMs !== undefined) request.timeout = duration("timeoutMs", timeoutMs);
  if (job.traceContext !== undefined) request.traceContext = toTrace(job.traceContext, text);
  if (backoff !== undefined) request.backoff = toBackoff(backoff, duration);
  return request;
}

function toMetadata(given: NewJob["metadata"], path: string, text: Converters["text"]): Record<string, string> {
  const metadata = copyMetadata(given ?? {}, path);
  for (const name in metadata) text(`metadata[${JSON.stringify(name)}]`, metadata[name] as string);
  return metadata;
}

function toTrace(given: Partial<TraceContext>, text: Converters["text"]): TraceContextPb {
  const part = (name: keyof TraceContext) => text(`traceContext.${name}`, given[name] ?? "");
  return {
    $typeName: TraceContextSchema.typeName,
    traceparent: part("traceparent"),
    tracestate: part("tracestate"),
    baggage: part("baggage"),
  };
}
