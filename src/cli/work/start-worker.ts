import { createWorker, type Worker } from "../../client/index.js";
import { loadHandlers } from "../../handlers/load-handlers.js";
import { errorText } from "../../model/common/describe-error.js";
import { isLogged, type Logger } from "../../model/log/logger.js";
import type { ProcessLog } from "../../server/log/process-log.js";
import { UsageError } from "../command-error.js";
import type { Connection } from "../options/connection.js";
import type { WorkSettings } from "./work-settings.js";

/** A worker that takes jobs. */
export interface StartedWorker {
  readonly worker: Worker;
  readonly types: readonly string[];
}

/** A logger that leaves out where the program was when its server was away: it is told again and again, and says nothing. */
function withoutPlaces(logger: Logger): Logger {
  const at = (level: "warn" | "error") => (fields: object, message: string) => {
    // The worker may have made a description of it.
    const { err, ...others } = fields as { readonly err?: { readonly code?: unknown; readonly reason?: unknown } };
    logger[level](err?.code === "UNAVAILABLE" ? { ...others, reason: err.reason } : fields, message);
  };
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => withoutPlaces(logger.child(fields)),
    isLevelEnabled: (level) => isLogged(logger, level),
  };
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
      logger: withoutPlaces(log.logger),
    });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
  made(worker);
  await worker.start();
  return { worker, types: Object.keys(handlers) };
}
