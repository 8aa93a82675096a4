import type { EnqueuedJob } from "../../model/handler/handler.js";
import type { NewJob } from "../../model/job/new-job.js";
import { toTaskQueueError } from "../convert/errors.js";
import { retryWait, wait } from "../wait.js";
import type { WorkerServers } from "./worker-servers.js";

/** For how long a create is tried again while servers are away, ms. */
const RETRY_MS = 10_000;

/**
 * Creates a job of a handler at the server in use, and tries again, at the next one, while that is away or drains. Only for jobs with a
 * request id.
 */
export async function createAtServers(servers: WorkerServers, task: NewJob): Promise<EnqueuedJob> {
  const end = performance.now() + (task.requestId === "" ? 0 : RETRY_MS);
  for (let failures = 1; ; failures++) {
    const rpc = servers.current;
    try {
      const { job, deduplicated, replaced } = await servers.clientOf(rpc).create(task);
      return { id: job.id, deduplicated, replaced };
    } catch (thrown) {
      const error = toTaskQueueError(thrown);
      if (error.code !== "UNAVAILABLE") throw error;
      servers.leave(rpc);
      const ms = retryWait(failures, error.retryAfterMs);
      if (performance.now() + ms > end) throw error;
      await wait(ms);
    }
  }
}
