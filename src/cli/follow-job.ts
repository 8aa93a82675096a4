import type { Job, TaskQueueClient } from "../client/index.js";
import { isFinal, type JobStatus } from "../model/job/job.js";
import type { Context } from "./context.js";
import { EXIT } from "./exit-codes.js";
import { progressText } from "./output/progress.js";

/** The exit code for the way in which a job ended. */
export function finalExitCode(status: JobStatus): number {
  if (status === "DEAD") return EXIT.dead;
  return status === "CANCELED" ? EXIT.canceled : EXIT.ok;
}

/** How a job is followed. */
export interface FollowOptions {
  /** How long at most. Default: without a limit. */
  readonly timeoutMs?: number | undefined;
  /** Hears of each state. */
  readonly changed?: ((job: Job) => Promise<void>) | undefined;
}

/**
 * Follows a job to its end, with a line on a terminal that shows how far it is. Resolves to its last state, or to undefined when the
 * time is over before. Rejects as the watch does; JOB_NOT_FOUND also when it is deleted meanwhile.
 */
export async function followJob(
  client: TaskQueueClient,
  context: Context,
  id: string,
  { timeoutMs, changed }: FollowOptions,
): Promise<Job | undefined> {
  const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(Math.max(1, timeoutMs));
  let last: Job | undefined;
  try {
    for await (const job of client.watchJob(id, { signal })) {
      last = job;
      context.answered();
      await changed?.(job);
      context.line.show((style, width) => progressText(job, style, width));
    }
  } catch (error) {
    if (signal?.aborted) return undefined;
    throw error;
  } finally {
    context.line.clear();
  }
  // A watch that ends before the job does ends with its deletion: reading it says so.
  return last !== undefined && isFinal(last.status) ? last : client.get(id);
}
