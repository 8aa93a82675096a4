import type { Command } from "commander";
import type { Context } from "../context.js";
import { configureManyJobs } from "../many-jobs.js";
import { addFilterOptions, filterOf } from "../options/filter.js";

export function configureCancel(command: Command, context: Context): void {
  configureManyJobs(command, context, {
    verb: "cancel",
    what: "jobs",
    addFilter: addFilterOptions,
    filterOf,
    async one(client, id) {
      const job = await client.cancel(id);
      const isOver = job.status === "CANCELED";
      return { job, text: isOver ? `${id} is CANCELED` : `${id} is ${job.status}, and told to stop` };
    },
    many: (client, filter, bulk) => client.cancelMatching(filter, bulk),
    examples: [
      ["gotaskq cancel 119173640645246976", "a waiting job at once; a running one is told to stop"],
      ["gotaskq cancel -q mail -t newsletter --dry-run", "how many that would be"],
      ["gotaskq cancel -q mail -t newsletter --yes", "all of them, without a question"],
    ],
  });
}
