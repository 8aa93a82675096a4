import type { Command } from "commander";
import type { Job, NewJob, TaskQueueClient } from "../../client/index.js";
import { UsageError } from "../command-error.js";
import type { Context, FormatOptions } from "../context.js";
import { createInBatches } from "../enqueue-batches.js";
import { EXIT } from "../exit-codes.js";
import { finalExitCode, followJob } from "../follow-job.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { addNewJobOptions, type JobOptions, jobOf } from "../options/job.js";
import { duration } from "../options/values.js";
import { jobText } from "../output/job-text.js";
import { jobRecord } from "../output/records.js";
import { readPayload } from "../payload.js";

interface EnqueueOptions extends JobOptions, FormatOptions {
  readonly bytes?: boolean;
  readonly batch?: boolean;
  readonly wait?: boolean;
  readonly waitTimeout?: number;
}

export function configureEnqueue(command: Command, context: Context): void {
  command
    .argument("[type]", "selects the handler; with --batch it may be in each line instead")
    .argument("[payload]", "JSON, @file, or - for stdin; default: none")
    .option("--bytes", "the payload is bytes, taken as they are")
    .option("--batch", "a job for each line of stdin, or of @file: its payload, or without a type the whole job")
    .option("--wait", "until the job has ended; the exit code tells how")
    .option("--wait-timeout <duration>", "but no longer than so long", duration);
  addNewJobOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    [`gotaskq enqueue send '{"to":"ada@example.com"}' -q mail --delay 5m`, "in five minutes"],
    ["gotaskq enqueue report @month.json --wait --wait-timeout 10m", "with a payload from a file; waits for its end"],
    ["pg_dump shop | gotaskq enqueue archive - --bytes", "bytes from stdin"],
    [`printf '%s\\n' '{"n":1}' '{"n":2}' | gotaskq enqueue add --batch`, "a job a line"],
    [
      `echo '{"type":"send","payload":{"to":"ada"},"queue":"mail","delayMs":500}' | gotaskq enqueue --batch`,
      "a whole job a line, with fields as of the client for TypeScript",
    ],
  ]);
  command.action(async (type: string | undefined, payload: string | undefined, options: EnqueueOptions) => {
    if (options.batch === true) return enqueueBatch(command, context, type, payload, options);
    if (type === undefined) throw new UsageError("say the type of the job: gotaskq enqueue <type> [payload]");
    if (options.waitTimeout !== undefined && options.wait !== true) throw new UsageError("--wait-timeout needs --wait");
    const job = { ...jobOf(options), type, payload: await readPayload(payload, options.bytes === true, context.io) };
    const client = await context.connect(command);
    if (options.wait === true) return enqueueAndWait(client, context, job, options);
    const created = await client.create(job);
    if (!context.isForPeople(options)) return context.printRecord(createdRecord(created));
    const { id, queue } = created.job;
    const how = created.replaced ? "replaced" : created.deduplicated ? "was there already" : `created in ${queue}`;
    await context.print(`${id} ${how}\n`);
  });
}

async function enqueueAndWait(
  client: TaskQueueClient,
  context: Context,
  job: NewJob,
  options: EnqueueOptions,
): Promise<void> {
  const { job: created } = await client.create(job);
  const isForPeople = context.isForPeople(options);
  if (isForPeople) context.tell(`${created.id} created; waiting for its end`);
  const last = await followJob(client, context, created.id, { timeoutMs: options.waitTimeout });
  if (last === undefined) {
    // Whoever waited knows which one to ask for.
    if (!isForPeople) await context.printRecord(jobRecord(created));
    context.tell(`gotaskq: ${created.id} did not end in time; \`gotaskq watch ${created.id}\` goes on waiting`);
    context.exitCode = EXIT.notEnded;
    return;
  }
  if (isForPeople) await context.print(jobText(last, context.style, Date.now()));
  else await context.printRecord(jobRecord(last));
  context.exitCode = finalExitCode(last.status);
}

function createdRecord({ job, deduplicated, replaced }: { job: Job; deduplicated: boolean; replaced: boolean }) {
  return { ...jobRecord(job), ...(deduplicated && { deduplicated }), ...(replaced && { replaced }) };
}

async function enqueueBatch(
  command: Command,
  context: Context,
  type: string | undefined,
  payload: string | undefined,
  options: EnqueueOptions,
): Promise<void> {
  if (options.wait === true) throw new UsageError("--wait waits for one job, and --batch creates many");
  if (options.bytes === true) throw new UsageError("--bytes is of one payload, and --batch reads a JSON text a line");
  if (options.requestId !== undefined) throw new UsageError("--request-id is of one job, and --batch creates many");
  // Without a type, what the lines come from is the only argument.
  const isSource = payload === undefined && (type === "-" || type?.startsWith("@") === true);
  const client = await context.connect(command);
  const isForPeople = context.isForPeople(options);
  const defaults = jobOf(options);
  const count = await createInBatches(
    client,
    context.io,
    { type: isSource ? undefined : type, defaults, source: (isSource ? type : payload) ?? "-" },
    async (result) => {
      if (!isForPeople) await context.printRecord(result);
    },
  );
  if (isForPeople) await context.print(`${count} jobs created\n`);
}
