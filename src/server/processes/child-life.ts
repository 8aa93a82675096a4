import { guessLogSettings } from "../config/logging.js";
import { createProcessLog, type ProcessLog } from "../log/process-log.js";
import { type Refusal, refusalOf, tellProblems } from "../log/tell-problems.js";
import { EXIT_CONFIG, EXIT_FAULT, endProcess, type Stoppable, stopAll } from "../process-life.js";

// How the processes of a server begin and end that its primary starts.

/** Creates the log of one of them. Its lines have this `process`. */
export function createChildLog(name: number | string): ProcessLog {
  // Nobody may read it any more: that must not end the process.
  process.stderr.on("error", () => {});
  return createProcessLog(guessLogSettings(process.env), process.stdout, !process.env.NO_COLOR, { process: name });
}

/** Ends this process as it could not start. What is wrong with the configuration is left to the primary, which tells it once for all. */
export async function endRefused(
  log: ProcessLog,
  error: unknown,
  leaveToPrimary: (refusal: Refusal) => Promise<void>,
): Promise<never> {
  const refusal = refusalOf(error);
  if (refusal !== undefined) await leaveToPrimary(refusal);
  else tellProblems(log, error, (text) => process.stderr.write(`${text}\n`));
  return endProcess(log, refusal === undefined ? EXIT_FAULT : EXIT_CONFIG);
}

/** Stops in order what this process runs, and ends it. */
export async function endInOrder(log: ProcessLog, running: Stoppable): Promise<never> {
  try {
    await stopAll(running);
  } catch (error) {
    log.life.fatal({ err: error }, "stopping failed");
    return endProcess(log, EXIT_FAULT);
  }
  return endProcess(log, 0);
}
