/**
 * What a token may be allowed.
 *
 * - `read`: read and watch jobs, queues, dead letters and workers, and `/metrics`.
 * - `produce`: create jobs, cancel one of them, and run one now.
 * - `work`: take jobs and report what became of them.
 * - `admin`: everything, the three others too: queues, replays, deletions, and what acts on many jobs.
 */
export type Scope = "read" | "produce" | "work" | "admin";

/** All scopes. */
export const SCOPES: readonly Scope[] = ["read", "produce", "work", "admin"];

/** Whether a text is a scope. */
export function isScope(text: unknown): text is Scope {
  return SCOPES.includes(text as Scope);
}
