import { createWorker, type Worker } from "../../client/index.js";
import { loadHandlers } from "../../handlers/load-handlers.js";
import { errorText } from "../../model/common/describe-error.js";
import type { ProcessLog } from "../../server/log/process-log.js";
import { createBriefLogger } from "../brief-logger.js";
import { UsageError } from "../command-error.js";
import type { Connection } from "../options/connection.js";
import type { WorkSettings } from "./work-settings.js";

/** A worker that takes jobs. */
export interface StartedWorker {
  readonly worker: Worker;
  readonly types: readonly string[];
}

/**
 * Loads the handlers and runs a worker with them. Resolves when it is connected, which it tries for as long as the server is away;
 * `abort` ends that. Rejects with a `UsageError` for a module or settings that cannot be used, and with a `TaskQueueError` when the
 * server refuses it.
 */
export async function startWorker(
  settings: WorkSettings,
  { urls, options }: Connection,
  log: ProcessLog,
  made: (worker: Worker) => void,
): Promise<StartedWorker> {
  const handlers = await loadHandlers(settings.module).catch((error) => {
    throw new UsageError(errorText(error));
  });
  const { name, queues, concurrency, prefetch, leaseMs, stopTimeoutMs } = settings;
  let worker: Worker;
  try {
    worker = createWorker({
      url: urls,
      handlers,
      name,
      queues,
      concurrency,
      prefetch,
      leaseMs,
      stopTimeoutMs,
      token: options.token,
      tls: options.tls,
      logger: createBriefLogger(log.logger, () => performance.now()),
    });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
  made(worker);
  await worker.start();
  return { worker, types: Object.keys(handlers) };
}
