import type { Command } from "commander";
import type { Job, Listing, TaskQueueClient } from "../../client/index.js";
import type { JobQuery } from "../../model/job/job-filter.js";
import type { Context, FormatOptions } from "../context.js";
import { addConnectionOptions } from "../options/connection.js";
import { addFilterOptions, type FilterOptions, filterOf } from "../options/filter.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { addPageOptions, type PageFlags, printPages } from "../options/pages.js";
import { jobTable } from "../output/job-text.js";
import { jobRecord } from "../output/records.js";

interface JobsOptions extends FilterOptions, FormatOptions, PageFlags {
  readonly count?: boolean;
}

export function configureJobs(command: Command, context: Context): void {
  command.option("--count", "only tell how many match");
  addPageOptions(command);
  addFilterOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq jobs", "the newest jobs of all queues"],
    ["gotaskq jobs -q mail --status PENDING,RUNNING --created-before 1h", "what has been there for an hour"],
    ["gotaskq jobs --status DONE --all --json | jq -r .id", "the ids of all that are done"],
    ["gotaskq jobs -t send --error-contains refused --count", "how many failed in this way"],
  ]);
  command.action(async (options: JobsOptions) => {
    const client = await context.connect(command);
    const filter = filterOf(options);
    if (options.count === true) {
      await printCount(context, options, await countAll(client, filter));
      return;
    }
    await printJobs(context, options, (page) => client.list({ ...filter, ...page }));
  });
}

/** Writes pages of jobs as a table or as records. */
export async function printJobs(
  context: Context,
  options: FormatOptions & PageFlags,
  list: (page: Pick<JobQuery, "pageSize" | "pageToken" | "order" | "view">) => Listing<Job>,
): Promise<void> {
  const isForPeople = context.isForPeople(options);
  // A table shows no payloads.
  const view = isForPeople || options.payload === false ? "BASIC" : "FULL";
  await printPages(context, options, {
    read: (page) => list({ ...page, view }).page(),
    record: jobRecord,
    table: (jobs) => jobTable(jobs, { style: context.style, width: context.width, now: Date.now() }),
    none: "no jobs match",
  });
}

/** Writes a number. */
async function printCount(context: Context, options: FormatOptions, count: number): Promise<void> {
  if (context.isForPeople(options)) await context.print(`${count}\n`);
  else await context.printRecord({ count });
}

async function countAll(client: TaskQueueClient, filter: JobQuery): Promise<number> {
  let total = 0;
  for (let pageToken = ""; ; ) {
    const { count, nextPageToken } = await client.count(filter, { pageToken });
    total += count;
    if (nextPageToken === "") return total;
    pageToken = nextPageToken;
  }
}
