/** How to retry after a failure: with the job's backoff, never, or after this many ms (which uses a retry as well). */
export type RetryDecision = "DEFAULT" | "NEVER" | { readonly afterMs: number };

/**
 * The result of a write that settles a job (complete, fail or release).
 *
 * - APPLIED: the token was current and the write took effect.
 * - ALREADY_APPLIED: the same token has settled the job in the same way before; nothing was changed.
 * - LEASE_LOST: the token is not current; nothing was changed.
 * - CANCELED: the job is CANCELED, by this write (it acknowledged a requested cancel) or already before it.
 */
export type Outcome = "APPLIED" | "ALREADY_APPLIED" | "LEASE_LOST" | "CANCELED";
