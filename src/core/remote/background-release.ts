import type { Logger } from "../../model/logger.js";
import type { LeaseRef } from "../backend.js";
import type { Leasing } from "../leasing.js";

/** Releases leases that nobody waits for. */
export interface BackgroundRelease {
  /** Gives these jobs back, in the background; when that fails, their leases end by themselves. */
  (refs: readonly LeaseRef[]): void;
  /** Resolves when all that was given back so far is written, or has failed. */
  idle(): Promise<void>;
}

/** Makes a `BackgroundRelease`. */
export function createBackgroundRelease(leasing: Leasing, logger: Logger): BackgroundRelease {
  const writes = new Set<Promise<void>>();

  async function write(refs: readonly LeaseRef[]): Promise<void> {
    try {
      await leasing.release(refs.map(({ jobId, token }) => ({ jobId, token })));
    } catch (error) {
      logger.warn(
        { err: error, jobs: refs.length },
        "jobs could not be given back; their leases will end by themselves",
      );
    }
  }

  function release(refs: readonly LeaseRef[]): void {
    if (refs.length === 0) return;
    const pending = write(refs).finally(() => writes.delete(pending));
    writes.add(pending);
  }

  return Object.assign(release, {
    async idle() {
      await Promise.all(writes);
    },
  });
}
