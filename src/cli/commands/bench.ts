import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { errorText } from "../../model/common/describe-error.js";
import { createTextLogger } from "../../model/log/text-logger.js";
import { onStopSignals } from "../../model/process/stop-signals.js";
import type { LatencySummary } from "../bench/latencies.js";
import type { BenchResult } from "../bench/run-bench.js";
import { createBriefLogger } from "../brief-logger.js";
import { CommandError } from "../command-error.js";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { count, durationOption, positive } from "../options/values.js";
import { inLine } from "../output/style.js";

interface BenchOptions extends FormatOptions {
  readonly queue?: string;
  readonly jobs?: number;
  readonly for: number;
  readonly callers: number;
  readonly batch: number;
  readonly payload: number;
  readonly handlers: number;
}

export function configureBench(command: Command, context: Context): void {
  command
    .option("-q, --queue <queue>", "a queue that is there and empty (one of its own, which is deleted in the end)")
    .addOption(durationOption("--for <duration>", "create jobs for so long", "5s"))
    .option("--jobs <count>", "or so many", positive)
    .option("--callers <count>", "calls under way at the same time", positive, 64)
    .option("--batch <count>", "jobs of each call, 1 to 1000", positive, 1)
    .option("--payload <bytes>", "bytes of filling in each payload", count, 0)
    .option("--handlers <count>", "handlers that run at the same time, in this process; 0: only create", count, 100);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq bench", "five seconds of single creates, run by a worker in this process"],
    ["gotaskq bench --jobs 100000 --batch 100 --callers 4", "by hundreds"],
    ["gotaskq bench --callers 1 --handlers 1", "how long one job takes, from its create to its handler"],
  ]);
  command.addHelpText(
    "after",
    "\nIt is a load like any other: not for a server that is busy. Client and worker share this process, and its CPU.",
  );
  command.action(async (options: BenchOptions) => {
    const { runBench } = await import("../bench/run-bench.js");
    const connection = context.connection(command);
    const client = await context.connect(command);
    const queue = options.queue ?? `bench-${randomBytes(4).toString("hex")}`;
    if (options.queue === undefined) await client.queues.create(queue);
    else if (!isUnused(await client.queues.get(queue))) throw new CommandError(`--queue: ${queue} has jobs in it`);
    const stop = new AbortController();
    const forget = onStopSignals(context.io.signals, () => performance.now(), {
      stop: () => stop.abort(),
      // What it leaves behind then is told by the name of the queue.
      again: () => process.exit(130),
    });
    try {
      const load = {
        queue,
        jobs: options.jobs,
        durationMs: options.for,
        callers: options.callers,
        batch: options.batch,
        payloadBytes: options.payload,
        handlers: options.handlers,
      };
      const result = await runBench(client, connection, load, {
        stop: stop.signal,
        logger: createBriefLogger(
          createTextLogger((text) => context.tell(text)),
          () => performance.now(),
        ),
        progress(created, run) {
          context.line.show(() => `${created} created, ${run} run`);
        },
      });
      context.line.clear();
      if (context.isForPeople(options)) await context.print(resultText(result));
      else await context.printRecord({ ...result });
      if (stop.signal.aborted) context.exitCode = 130;
      else if (options.handlers > 0 && result.left > 0) throw new CommandError(`${result.left} jobs did not run`);
    } finally {
      forget();
      if (options.queue === undefined) {
        // Why the bench failed is what is to be told in the end.
        await client.queues
          .delete(queue, { force: true })
          .catch((error) => context.tell(`gotaskq: the queue ${queue} is left behind: ${inLine(errorText(error))}`));
      }
    }
  });
}

function isUnused({
  stats,
}: {
  readonly stats: { readonly ready: number; readonly scheduled: number; readonly running: number };
}): boolean {
  return stats.ready + stats.scheduled + stats.running === 0;
}

function resultText(result: BenchResult): string {
  const lines = [
    `creates   ${result.createsPerSecond}/s, ${result.created} in all${timesText("a call", result.createMs)}`,
  ];
  if (result.run > 0) {
    lines.push(
      `runs      ${result.runsPerSecond}/s, ${result.run} in all${timesText("from create to handler", result.pickUpMs)}`,
    );
  }
  lines.push(`CPU here  ${result.cpuMicros} us a job`);
  return `${lines.join("\n")}\n`;
}

function timesText(what: string, times: LatencySummary | undefined): string {
  if (times === undefined) return "";
  return `; ${what}: p50 ${times.p50}, p90 ${times.p90}, p99 ${times.p99}, max ${times.max} ms`;
}
