import type { Command } from "commander";
import type { DeadGroup, TaskQueueClient } from "../../client/index.js";
import type { DeadJobFilter } from "../../model/job/job-filter.js";
import type { Context, FormatOptions } from "../context.js";
import { configureManyJobs } from "../many-jobs.js";
import { addConnectionOptions } from "../options/connection.js";
import { addDeadFilterOptions, deadFilterOf, type FilterOptions } from "../options/filter.js";
import { addExamples, addFormatOptions } from "../options/format.js";
import { addPageOptions, type PageFlags } from "../options/pages.js";
import { groupRecord } from "../output/records.js";
import { inLine } from "../output/style.js";
import { tableText } from "../output/table.js";
import { distanceText } from "../output/times.js";
import { printJobs } from "./jobs.js";

/** Pages of a summary that are put together before its rest is only mentioned: half a million dead jobs. */
const MAX_SUMMARY_CALLS = 5;

export function configureDlq(command: Command, context: Context): void {
  configureList(command.command("list").description("list dead jobs, the last to die first"), context);
  configureSummary(command.command("summary").description("count dead jobs by queue, type and error"), context);
  configureManyJobs(command.command("replay").description("make dead jobs PENDING again"), context, {
    ...{ verb: "replay", what: "dead jobs", addFilter: addDeadFilterOptions, filterOf: deadFilterOf },
    one: async (client, id) => {
      const job = await client.dlq.replay(id);
      return { job, text: `${job.id} is ${job.status} again` };
    },
    many: (client, filter, bulk) => client.dlq.replayMatching(filter, bulk),
    examples: [
      ["gotaskq dlq replay 119173640645246976", "one of them"],
      ["gotaskq dlq replay -q mail --error-contains 'connection refused' --dry-run", "how many that would be"],
      ["gotaskq dlq replay --all --yes", "every one, without a question"],
    ],
  });
  configureManyJobs(command.command("delete").description("delete dead jobs"), context, {
    ...{ verb: "delete", what: "dead jobs", addFilter: addDeadFilterOptions, filterOf: deadFilterOf },
    one: async (client, id) => {
      await client.dlq.delete(id);
      return { job: undefined, text: `${id} is deleted` };
    },
    many: (client, filter, bulk) => client.dlq.deleteMatching(filter, bulk),
    examples: [
      ["gotaskq dlq delete 119173640645246976", "one of them"],
      ["gotaskq dlq delete -t newsletter --died-before 30d", "old ones, once that is confirmed"],
    ],
  });
  addExamples(command, [
    ["gotaskq dlq summary", "what died of what"],
    ["gotaskq dlq list -q mail", "the dead jobs of a queue"],
    ["gotaskq dlq replay -q mail --dry-run", "how many would run again"],
  ]);
}

function configureList(command: Command, context: Context): void {
  addPageOptions(command);
  addDeadFilterOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["gotaskq dlq list -q mail --died-after 1h", "what died in the last hour"],
    ["gotaskq dlq list --all --json | jq -r .error | sort | uniq -c", "errors, counted"],
  ]);
  command.action(async (options: FilterOptions & FormatOptions & PageFlags) => {
    const client = await context.connect(command);
    const filter = deadFilterOf(options);
    await printJobs(context, options, (page) => client.dlq.list({ ...filter, ...page }));
  });
}

function configureSummary(command: Command, context: Context): void {
  addDeadFilterOptions(command);
  addFormatOptions(command);
  addConnectionOptions(command);
  addExamples(command, [["gotaskq dlq summary -q mail", "with the id of one of each, for `gotaskq get`"]]);
  command.action(async (options: FilterOptions & FormatOptions) => {
    const client = await context.connect(command);
    const { groups, count, hasMore } = await summaryOf(client, deadFilterOf(options));
    if (!context.isForPeople(options)) for (const group of groups) await context.printRecord(groupRecord(group));
    else if (groups.length > 0) await context.print(summaryTable(context, groups));
    const listed = groups.reduce((sum, each) => sum + each.count, 0);
    if (count === 0) context.tell("no dead jobs match");
    else if (listed < count) context.tell(`and ${count - listed} others`);
    if (hasMore) context.tell(`only the first ${count} were counted: choose fewer`);
  });
}

/** The summaries of a few calls as one. */
async function summaryOf(client: TaskQueueClient, filter: DeadJobFilter) {
  const groups = new Map<string, DeadGroup>();
  let count = 0;
  let pageToken = "";
  for (let calls = 0; calls < MAX_SUMMARY_CALLS; calls++) {
    const summary = await client.dlq.summarize(filter, { maxGroups: 1000, pageToken });
    count += summary.count;
    for (const group of summary.groups) {
      const key = JSON.stringify([group.queue, group.type, group.error]);
      const before = groups.get(key);
      const latest = before !== undefined && before.lastDiedAt > group.lastDiedAt ? before : group;
      groups.set(key, { ...latest, count: group.count + (before?.count ?? 0) });
    }
    pageToken = summary.nextPageToken;
    if (pageToken === "") break;
  }
  const sorted = [...groups.values()].toSorted((a, b) => b.count - a.count);
  return { groups: sorted, count, hasMore: pageToken !== "" };
}

function summaryTable({ style, width }: Context, groups: readonly DeadGroup[]): string {
  const now = Date.now();
  const columns = [
    { title: "COUNT", isRight: true },
    { title: "QUEUE" },
    { title: "TYPE" },
    { title: "LAST DIED" },
    { title: "ONE OF THEM" },
    { title: "ERROR", isElastic: true },
  ];
  const rows = groups.map(({ count, queue, type, lastDiedAt, sampleId, error }) => [
    count,
    inLine(queue),
    inLine(type),
    distanceText(lastDiedAt, now),
    inLine(sampleId),
    { text: inLine(error), look: "red" as const },
  ]);
  return tableText(columns, rows, { style, width });
}
