import type { TraceContext } from "../log/trace-context.js";
import type { BackoffRequest } from "./backoff.js";
import type { AnyJobs, PayloadOf, TypeOf } from "./job-types.js";
import type { RawJson } from "./raw-json.js";
import type { UniqueRequest } from "./unique.js";

/** What may be said of a job to create, beside its type and payload. Durations in ms. */
export interface NewJobOptions {
  /** Name of its queue. Default: `default`. */
  readonly queue?: string | undefined;
  /** 0 (default) to 10, higher first. */
  readonly priority?: number | undefined;
  /** Wait before it is ready, from now. Not together with `runAfter`. Default: none. */
  readonly delayMs?: number | undefined;
  /** When it is ready: a Date, or ms since 1970. */
  readonly runAfter?: Date | number | undefined;
  /** Retries after a failed attempt. Default: that of its queue, or of the server. */
  readonly maxRetries?: number | undefined;
  /** The waits between retries, that grow or stand in a list. Default: that of its queue, or of the server. */
  readonly backoff?: BackoffRequest | undefined;
  /** Longest run of one attempt. Default: that of its queue, or no limit. */
  readonly timeoutMs?: number | undefined;
  /** How long it may wait to be given to a worker; after that it is CANCELED. Not together with `expiresAt`. Default: for ever. */
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
   * Default: what is tried again by itself creates one job all the same.
   */
  readonly requestId?: string | undefined;
  /**
   * The trace that the job belongs to, as in headers of W3C. It does not count as content for `requestId`. Default: where the program
   * is in a trace when it creates the job.
   */
  readonly traceContext?: Partial<TraceContext> | undefined;
}

/** Its payload: a JSON value, bytes as a Uint8Array, or `Raw`. What cannot travel is refused; see the table of the client's README. */
type PayloadField<Payload, Raw> = undefined extends Payload
  ? { readonly payload?: Payload | ([Payload] extends [undefined] ? never : Raw) }
  : { readonly payload: Payload | Raw };

/** A job to create. `Raw`: in what other form its payload may be given. */
export type NewJob<Jobs = AnyJobs, Type extends TypeOf<Jobs> = TypeOf<Jobs>, Raw = RawJson> = Type extends unknown
  ? NewJobOptions & { readonly type: Type } & PayloadField<PayloadOf<Jobs, Type>, Raw>
  : never;

/** What is to change of a PENDING job; at least one thing. What is not given stays as it is. */
export interface JobUpdate<Payload = unknown> {
  /** 0 to 10, higher first. */
  readonly priority?: number | undefined;
  /** It is ready so long from now, ms; 0: at once. Not together with `runAfter`. */
  readonly delayMs?: number | undefined;
  /** When it is ready: a Date, or ms since 1970. */
  readonly runAfter?: Date | number | undefined;
  readonly payload?: Payload | RawJson | undefined;
}
