import type { Command } from "commander";
import type { TaskQueueClient } from "../client/index.js";
import type { BulkOptions, BulkResult } from "../model/job/job-filter.js";
import { type BulkFlags, runBulk } from "./bulk.js";
import { UsageError } from "./command-error.js";
import type { Context } from "./context.js";
import { addBulkOptions } from "./options/bulk.js";
import { addConnectionOptions } from "./options/connection.js";
import { isEmptyFilter } from "./options/filter.js";
import { addExamples, addFormatOptions } from "./options/format.js";
import { type Done, printEach } from "./print-each.js";

/** What is done to jobs by ids, or to all that match a filter. */
export interface ManyOperation<Options, Filter extends object> {
  /** What it does to jobs, as in `cancel`. */
  readonly verb: string;
  /** What they are called, as in `dead jobs`. */
  readonly what: string;
  readonly examples: readonly (readonly [string, string])[];
  addFilter(command: Command): void;
  filterOf(options: Options): Filter;
  one(client: TaskQueueClient, id: string): Promise<Done>;
  many(client: TaskQueueClient, filter: Filter, options: BulkOptions): Promise<BulkResult>;
}

/** Configures a command that does something to jobs: those with the ids at once; those that a filter chooses when that is confirmed. */
export function configureManyJobs<Options, Filter extends object>(
  command: Command,
  context: Context,
  { verb, what, examples, addFilter, filterOf, one, many }: ManyOperation<Options, Filter>,
): void {
  command.argument("[id...]", `ids of ${what}; or options choose them`);
  addFilter(command);
  addBulkOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, examples);
  command.action(async (ids: readonly string[], options: Options & BulkFlags) => {
    const filter = filterOf(options);
    if (ids.length > 0 && (!isEmptyFilter(filter) || options.all === true)) {
      throw new UsageError("ids and options that choose jobs cannot be used together");
    }
    const client = await context.connect(command);
    if (ids.length > 0) return printEach(context, options, ids, (id) => one(client, id));
    await runBulk(context, filter, options, { verb, what, call: (bulk) => many(client, filter, bulk) });
  });
}
