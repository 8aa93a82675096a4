import type { BulkOptions } from "../model/job/job-filter.js";

/** Settings of one call: the last argument of each method. */
export interface CallOptions {
  /** Ends the wait for it: it rejects with the signal's reason. What it asked for may happen all the same. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long it may take in all, with everything that is tried again, ms; then it rejects with DEADLINE_EXCEEDED, and nobody knows
   * whether it took effect. Of a listing: each page. Default: as long as the client lets a call take; waits and watches, and calls
   * inside a program, as long as it takes.
   */
  readonly timeoutMs?: number | undefined;
  /** Sent with it, in place of those of the client with the same names. Inside a program, where nothing is sent, passed over. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Settings of an operation on all jobs that match a filter, and of its call. */
export interface BulkCall extends BulkOptions, CallOptions {}
