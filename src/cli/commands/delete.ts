import type { Command } from "commander";
import type { Context } from "../context.js";
import { configureManyJobs } from "../many-jobs.js";
import { addFilterOptions, filterOf } from "../options/filter.js";

export function configureDelete(command: Command, context: Context): void {
  configureManyJobs(command, context, {
    verb: "delete",
    what: "finished jobs",
    addFilter: addFilterOptions,
    filterOf,
    async one(client, id) {
      await client.delete(id);
      return { job: undefined, text: `${id} is deleted` };
    },
    many: (client, filter, bulk) => client.deleteMatching(filter, bulk),
    examples: [
      ["gotaskq delete 119173640645246976", "a job that is DONE, CANCELED or DEAD"],
      ["gotaskq delete -q mail --status DONE --finished-before 1h --dry-run", "how many that would be"],
      ["gotaskq delete -m tenant=acme --yes", "all that have ended, without a question; others stay"],
    ],
  });
}
