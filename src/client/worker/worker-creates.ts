import type { EnqueuedJob } from "../../model/handler/handler.js";
import type { NewJob } from "../../model/job/new-job.js";
import { toTaskQueueError } from "../convert/errors.js";
import type { TaskQueueClient } from "../task-queue-client.js";
import { retryWait, wait } from "../wait.js";
import type { WorkerServers } from "./worker-servers.js";

/** For how long a create is tried again while servers are away, ms. */
const RETRY_MS = 10_000;

/**
 * Creates a job of a handler at the server in use, and tries again, at the next one, while that is away or drains. Only for jobs with a
 * request id.
 */
export function createAtServers(servers: WorkerServers, task: NewJob): Promise<EnqueuedJob> {
  return atServers(servers, [task], async (client) => {
    const { job, deduplicated, replaced } = await client.create(task);
    return { id: job.id, deduplicated, replaced };
  });
}

/** The same of a batch, all or none. */
export function createBatchAtServers(
  servers: WorkerServers,
  tasks: readonly NewJob[],
): Promise<readonly EnqueuedJob[]> {
  return atServers(servers, tasks, (client) => client.createBatch(tasks));
}

async function atServers<T>(
  servers: WorkerServers,
  tasks: readonly NewJob[],
  create: (client: TaskQueueClient) => Promise<T>,
): Promise<T> {
  const isSafe = tasks.every(({ requestId }) => requestId !== "");
  const end = performance.now() + (isSafe ? RETRY_MS : 0);
  for (let failures = 1; ; failures++) {
    const rpc = servers.current;
    try {
      return await create(servers.clientOf(rpc));
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
