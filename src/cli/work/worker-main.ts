import type { Worker } from "../../client/index.js";
import { createSystemClock } from "../../core/clock.js";
import { errorText } from "../../model/common/describe-error.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { endProcess, stopAll, surviveHandlers } from "../../server/process-life.js";
import { createChildLog } from "../../server/processes/child-life.js";
import { serveSupervisor } from "../../supervisor/serve-supervisor.js";
import { CommandError } from "../command-error.js";
import { EXIT, exitCodeOf } from "../exit-codes.js";
import { connectionOf } from "../options/connection.js";
import { startWorker } from "./start-worker.js";
import type { ChildArgument } from "./work-settings.js";
import type { FromWorker } from "./worker-processes.js";

// One of the processes of `gotaskq work --processes`. Its argument says which one it is, its environment where the server is.
const { number, settings }: ChildArgument = JSON.parse(process.argv[2] ?? "");
const log = createChildLog(number);
let worker: Worker | undefined;

const link = serveSupervisor({
  async stop() {
    if (worker !== undefined) await stopAll(worker);
    await log.flush();
  },
});

function tell(told: FromWorker): Promise<void> {
  return new Promise((resolve) => link.send(told, resolve));
}

try {
  const started = await startWorker(settings, connectionOf({}, process.env), log, (made) => {
    worker = made;
  });
  surviveHandlers(started.worker, log, createSystemClock());
  link.ready();
  await tell({ kind: "started", types: started.types });
} catch (error) {
  const exitCode =
    error instanceof CommandError
      ? error.exitCode
      : error instanceof TaskQueueError
        ? exitCodeOf(error.code)
        : EXIT.failure;
  await tell({ kind: "refused", text: errorText(error), exitCode });
  await endProcess(log, exitCode);
}
