import type { Command } from "commander";
import { withNeededPackages } from "../../model/process/needed-package.js";
import { UsageError } from "../command-error.js";
import type { Context } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples } from "../options/format.js";
import { count, duration, durationOption, list, positive } from "../options/values.js";
import { connectionVariables } from "../work/work-settings.js";

interface WorkOptions {
  readonly queues?: readonly string[];
  readonly concurrency: number;
  readonly prefetch: number;
  readonly lease?: number;
  readonly stopTimeout: number;
  readonly name?: string;
  readonly processes: number;
}

export function configureWork(command: Command, context: Context): void {
  command
    .argument("<module>", "handlers by job type, JavaScript or TypeScript: the same module as of a server")
    .option("-q, --queues <queues>", "take jobs from these only, parted by commas (all)", list)
    .option("-c, --concurrency <count>", "handlers that run at the same time, all processes together", positive, 10)
    .option("--processes <count>", "processes that run handlers; one that dies is started again", positive, 1)
    .option("--prefetch <count>", "jobs that each process takes ahead of free slots, for short jobs", count, 0)
    .option("--lease <duration>", "how long a job stays its own without a sign of life (30s)", duration)
    .addOption(
      durationOption(
        "--stop-timeout <duration>",
        "how long running handlers may finish after SIGTERM or Ctrl-C",
        "10s",
      ),
    )
    .option("--name <name>", "how others see it (host/pid)");
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq work ./handlers.ts", "until Ctrl-C; a second one ends it at once"],
    ["gotaskq work ./handlers.js -q mail,reports -c 40 --processes 4", "on four cores"],
    ["GOTASKQ_TOKEN_FILE=token gotaskq work ./handlers.js --url https://jobs.example.com", "far from the server"],
  ]);
  command.addHelpText(
    "after",
    "\nLOG_LEVEL and LOG_FORMAT say how it logs, as of a server. Exit code 0: stopped in order.",
  );
  command.action(async (module: string, options: WorkOptions) => {
    const { queues, concurrency, prefetch, processes, name, lease, stopTimeout } = options;
    if (concurrency < processes) throw new UsageError("--concurrency: each of the processes needs one at the least");
    const connection = context.connection(command);
    context.io.outliveReaders();
    const { runWork } = await withNeededPackages("gotaskq work needs", () => import("../work/run-work.js"));
    const settings = { module, name, queues, concurrency, prefetch, leaseMs: lease, stopTimeoutMs: stopTimeout };
    const variables = connectionVariables(connection, { ...command.parent?.opts(), ...command.opts() });
    await runWork(settings, connection, { processes, variables }, context.io);
  });
}
