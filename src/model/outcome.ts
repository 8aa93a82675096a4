/** What to do after a failure: by the job's backoff, never again, or after this many ms (which uses a retry too). */
export type RetryDecision = "DEFAULT" | "NEVER" | { readonly afterMs: number };

/**
 * The answer to a worker's write that ends a lease.
 *
 * - APPLIED: it was the current token and the write is done.
 * - ALREADY_APPLIED: the same token settled the job before, in the same way.
 * - LEASE_LOST: the token is not current; nothing was changed.
 * - CANCELED: the cancel that was requested is done, or was.
 */
export type Outcome = "APPLIED" | "ALREADY_APPLIED" | "LEASE_LOST" | "CANCELED";
