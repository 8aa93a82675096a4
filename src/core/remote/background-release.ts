import type { Logger } from "../../model/log/logger.js";
import type { LeaseRef } from "../port/leases.js";
import type { Leasing } from "../work/leasing.js";

/** Releases leases in the background: the caller does not wait for the write. */
export interface BackgroundRelease {
  /** Releases these leases. A failure is only logged: the leases then expire by themselves. */
  (refs: readonly LeaseRef[]): void;
  /** Resolves when every release begun so far has been written or has failed. */
  idle(): Promise<void>;
}

/** Creates a `BackgroundRelease`. */
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
