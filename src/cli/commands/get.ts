import type { Command } from "commander";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { jobText } from "../output/job-text.js";
import { printEach } from "../print-each.js";

export function configureGet(command: Command, context: Context): void {
  command.argument("<id...>", "ids of jobs");
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq get 119173640645246976", "everything about a job"],
    ["gotaskq get 119173640645246976@mail --json | jq .result", "what its handler returned"],
  ]);
  command.action(async (ids: readonly string[], options: FormatOptions) => {
    const client = await context.connect(command);
    await printEach(context, options, ids, async (id) => {
      const job = await client.get(id);
      return { job, text: jobText(job, context.style, Date.now()) };
    });
  });
}
