import type { Command } from "commander";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { stateText } from "../output/job-text.js";
import { printEach } from "../print-each.js";

export function configureRun(command: Command, context: Context): void {
  command.argument("<id...>", "ids of PENDING jobs");
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq run 119173640645246976", "now, though it is scheduled or waits for its retry"],
    [
      "gotaskq jobs -q mail --pending-state RETRYING --all --json | jq -r .id | xargs gotaskq run",
      "all that wait for a retry",
    ],
  ]);
  command.addHelpText("after", "\nA dead job runs again by `gotaskq dlq replay`.");
  command.action(async (ids: readonly string[], options: FormatOptions) => {
    const client = await context.connect(command);
    await printEach(context, options, ids, async (id) => {
      const job = await client.run(id);
      return { job, text: `${id} is ${stateText(job)}` };
    });
  });
}
