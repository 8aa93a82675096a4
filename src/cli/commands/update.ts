import type { Command } from "commander";
import { UsageError } from "../command-error.js";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { count, duration, moment } from "../options/values.js";
import { jobText } from "../output/job-text.js";
import { jobRecord } from "../output/records.js";
import { readPayload } from "../payload.js";

interface UpdateOptions extends FormatOptions {
  readonly priority?: number;
  readonly delay?: number;
  readonly runAfter?: number;
  readonly bytes?: boolean;
}

export function configureUpdate(command: Command, context: Context): void {
  command
    .argument("<id>", "a PENDING job")
    .argument("[payload]", "another payload: JSON, @file, or - for stdin")
    .option("-p, --priority <number>", "0 to 10, higher first", count)
    .option("--delay <duration>", "it may run so long from now", duration)
    .option("--run-after <time>", "or from this time on", moment)
    .option("--bytes", "the payload is bytes, taken as they are");
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq update 119173640645246976 --priority 9", "what is not given stays as it is"],
    ["gotaskq update 119173640645246976 --run-after 2026-12-24T18:00:00Z", "at another time; `gotaskq run` is now"],
    [`gotaskq update 119173640645246976 '{"to":"ada@example.com"}'`, "with another payload"],
  ]);
  command.action(async (id: string, payload: string | undefined, options: UpdateOptions) => {
    const { priority, delay, runAfter, bytes } = options;
    if ([payload, priority, delay, runAfter].every((each) => each === undefined)) {
      throw new UsageError("say what is to change, as in --priority 9");
    }
    if (bytes === true && payload === undefined) throw new UsageError("--bytes is about a payload: give one");
    const changes = {
      priority,
      delayMs: delay,
      runAfter,
      payload: await readPayload(payload, bytes === true, context.io),
    };
    const job = await (await context.connect(command)).update(id, changes);
    if (context.isForPeople(options)) await context.print(jobText(job, context.style, Date.now()));
    else await context.printRecord(jobRecord(job));
  });
}
