import { createSystemClock } from "../../core/clock.js";
import { guessLogSettings } from "../../server/config/logging.js";
import { createProcessLog, type ProcessLog } from "../../server/log/process-log.js";
import { endOnSignals, type Stoppable, surviveHandlers } from "../../server/process-life.js";
import type { Io } from "../io.js";
import type { Connection } from "../options/connection.js";
import { startWorker } from "./start-worker.js";
import type { WorkSettings } from "./work-settings.js";
import { startWorkers } from "./worker-processes.js";

/** How many processes run handlers, and what each is given of the environment. */
export interface WorkProcesses {
  readonly processes: number;
  readonly variables: Readonly<Record<string, string>>;
}

/** Runs handlers until a signal stops it in order, and ends this process then. Rejects when it cannot start. */
export async function runWork(
  settings: WorkSettings,
  connection: Connection,
  { processes, variables }: WorkProcesses,
  { env, stdout }: Io,
): Promise<never> {
  const log = createProcessLog(guessLogSettings(env), stdout, !env.NO_COLOR);
  let running: Stoppable = { stop: async () => {} };
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    return running.stop();
  };
  endOnSignals({ stop }, settings.stopTimeoutMs, log);
  if (processes > 1) {
    const workers = startWorkers(settings, { processes, variables, log, clock: createSystemClock() });
    running = workers;
    const types = await workers.started;
    if (!isStopping) tell(log, connection, { types, processes, concurrency: settings.concurrency });
  } else {
    const { worker, types } = await startWorker(settings, connection, log, (made) => {
      running = made;
    });
    surviveHandlers(worker, log, createSystemClock());
    // A worker that is stopped before it was connected has started too.
    if (!isStopping) tell(log, connection, { types, processes, concurrency: settings.concurrency });
  }
  return new Promise(() => {});
}

function tell(
  log: ProcessLog,
  { urls }: Connection,
  fields: { types: readonly string[]; processes: number; concurrency: number },
) {
  const { types, processes, concurrency } = fields;
  const where = urls.join(", ");
  log.life.info(
    { url: where, handlers: types, concurrency, ...(processes > 1 && { processes }), pid: process.pid },
    `works on jobs of ${where}: ${types.join(", ")}`,
  );
}
