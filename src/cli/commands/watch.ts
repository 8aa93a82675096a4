import type { Command } from "commander";
import type { JobChange, TaskQueueClient } from "../../client/index.js";
import { JOB_STATUSES, type JobStatus } from "../../model/job/job.js";
import { UsageError } from "../command-error.js";
import type { Context, FormatOptions } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { finalExitCode, followJob } from "../follow-job.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { choices, duration, list, positive } from "../options/values.js";
import { noteOf } from "../output/job-text.js";
import { barText } from "../output/progress.js";
import { changeRecord, jobRecord } from "../output/records.js";
import { inLine, STATUS_LOOK, type Style } from "../output/style.js";

interface WatchOptions extends FormatOptions {
  readonly queue?: readonly string[];
  readonly type?: readonly string[];
  readonly status?: readonly JobStatus[];
  readonly cursor?: string;
  readonly limit?: number;
  readonly waitTimeout?: number;
}

export function configureWatch(command: Command, context: Context): void {
  command
    .argument("[id]", "a job, to its end; the exit code tells how it ended. Default: changes of all jobs that match")
    .optionsGroup("One job:")
    .option("--wait-timeout <duration>", "no longer than so long", duration)
    .optionsGroup("Many jobs:")
    .option("-q, --queue <queue>", "in these queues", list)
    .option("-t, --type <type>", "of these types", list)
    .option("--status <status>", `changes to these: ${JOB_STATUSES.join(", ")}`, choices(JOB_STATUSES))
    .option("--cursor <cursor>", "what happened since this one, of an earlier line, comes first")
    .option("-n, --limit <count>", "end after so many changes", positive);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq watch 119173640645246976", "each state of a job until it has ended"],
    ["gotaskq watch -q mail --status DEAD", "tells when a job of a queue dies, for ever"],
    ["gotaskq watch --json | jq -r 'select(.error).error'", "the errors of all jobs as they come"],
  ]);
  command.action(async (id: string | undefined, options: WatchOptions) => {
    if (id !== undefined) return watchOne(command, context, id, options);
    if (options.waitTimeout !== undefined) throw new UsageError("--wait-timeout is about one job: give its id");
    await watchMany(command, context, options);
  });
}

async function watchOne(command: Command, context: Context, id: string, options: WatchOptions): Promise<void> {
  const { queue, type, status, cursor, limit } = options;
  if ([queue, type, status, cursor, limit].some((each) => each !== undefined)) {
    throw new UsageError("a job is watched by its id alone: options that choose jobs cannot be used with one");
  }
  const client = await context.connect(command);
  await answers(client);
  const isForPeople = context.isForPeople(options);
  const last = await followJob(client, context, id, {
    timeoutMs: options.waitTimeout,
    async changed(job) {
      if (!isForPeople) return context.printRecord(jobRecord(job));
      await context.print(changeLine({ ...job, jobId: job.id, deleted: false }, context.style));
    },
  });
  if (last === undefined) context.tell(`gotaskq: ${id} did not end in time`);
  context.exitCode = last === undefined ? EXIT.notEnded : finalExitCode(last.status);
}

async function watchMany(command: Command, context: Context, options: WatchOptions): Promise<void> {
  const client = await context.connect(command);
  await answers(client);
  const isForPeople = context.isForPeople(options);
  const filter = { queues: options.queue, types: options.type, statuses: options.status };
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for await (const event of client.watchJobs(filter, { cursor: options.cursor ?? "" })) {
    context.answered();
    if (event.kind === "heartbeat") continue;
    if (isForPeople) await context.print(changeLine(event.change, context.style));
    else await context.printRecord(changeRecord(event.change, event.cursor));
    left--;
    if (left === 0) return;
  }
}

/** Rejects as any call does when no server answers: a watch alone would look for one for ever, also where there never was one. */
async function answers(client: TaskQueueClient): Promise<void> {
  await client.server.info();
}

/** A change on a line. */
function changeLine(change: JobChange, style: Style): string {
  const { updatedAt, jobId, type, status, deleted, progress } = change;
  const time = new Date(updatedAt).toTimeString().slice(0, 8);
  const word = deleted ? style("dim", "deleted ") : style(STATUS_LOOK[status], status.padEnd(8));
  const bar = progress === undefined || status !== "RUNNING" ? "" : barText(progress.percent);
  const note = bar === "" ? noteOf(change, Date.now()) : `${bar} ${inLine(progress?.message ?? "")}`.trim();
  return `${style("dim", time)}  ${inLine(jobId)}  ${word}  ${inLine(type)}${note === "" ? "" : `  ${note}`}\n`;
}
