import type { Command } from "commander";
import { type BulkFlags, runBulk } from "../bulk.js";
import { UsageError } from "../command-error.js";
import type { Context } from "../context.js";
import { addBulkOptions } from "../options/bulk.js";
import { addConnectionOptions } from "../options/connection.js";
import { addFilterOptions, type FilterOptions, filterOf, isEmptyFilter } from "../options/filter.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { printEach } from "../print-each.js";

export function configureCancel(command: Command, context: Context): void {
  command.argument("[id...]", "ids of jobs; or options choose them");
  addFilterOptions(command);
  addBulkOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq cancel 119173640645246976", "a waiting job at once; a running one is told to stop"],
    ["gotaskq cancel -q mail -t newsletter --dry-run", "how many that would be"],
    ["gotaskq cancel -q mail -t newsletter --yes", "all of them, without a question"],
  ]);
  command.action(async (ids: readonly string[], options: FilterOptions & BulkFlags) => {
    const filter = filterOf(options);
    if (ids.length > 0 && (!isEmptyFilter(filter) || options.all === true)) {
      throw new UsageError("ids and options that choose jobs cannot be used together");
    }
    const client = await context.connect(command);
    if (ids.length > 0) {
      return printEach(context, options, ids, async (id) => {
        const job = await client.cancel(id);
        const isOver = job.status === "CANCELED";
        return { job, text: isOver ? `${id} is CANCELED` : `${id} is ${job.status}, and told to stop` };
      });
    }
    await runBulk(context, filter, options, {
      verb: "cancel",
      what: "jobs",
      call: (bulk) => client.cancelMatching(filter, bulk),
    });
  });
}
