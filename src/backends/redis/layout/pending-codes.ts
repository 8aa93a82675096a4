import type { HeldBy, Pending, PendingState } from "../../../model/job/pending-state.js";

/** The letters in which scripts answer what a PENDING job waits for, and what holds it back. */
export const PENDING_CODES: Readonly<Record<PendingState, string>> = {
  READY: "r",
  SCHEDULED: "s",
  RETRYING: "t",
  LIMITED: "l",
};
export const HELD_CODES: Readonly<Record<HeldBy, string>> = {
  PAUSED: "P",
  RATE_LIMIT: "R",
  MAX_CONCURRENCY: "C",
  MAX_CONCURRENCY_PER_KEY: "K",
};

const PENDINGS = new Map<string, Pending>();
for (const [pendingState, letter] of Object.entries(PENDING_CODES) as [PendingState, string][]) {
  PENDINGS.set(letter, { pendingState, heldBy: undefined });
  for (const [heldBy, held] of Object.entries(HELD_CODES) as [HeldBy, string][]) {
    PENDINGS.set(letter + held, { pendingState, heldBy });
  }
}

/** Reads what `pendingOf` in scripts/pending.ts answers; undefined when it is empty: the job is not PENDING. */
export function readPending(text: string): Pending | undefined {
  return PENDINGS.get(text);
}
