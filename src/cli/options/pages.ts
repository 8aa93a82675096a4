import type { Command } from "commander";
import type { Page } from "../../client/index.js";
import type { Context, FormatOptions } from "../context.js";
import type { JsonRecord } from "../output/records.js";
import { inLine } from "../output/style.js";
import { positive } from "./values.js";

/** What the options of a list come to. */
export interface PageFlags {
  readonly limit?: number;
  readonly all?: boolean;
  readonly oldest?: boolean;
  readonly pageToken?: string;
  readonly payload?: boolean;
}

/** Most items of a page that is asked for. */
const PAGE_SIZE = 500;
const DEFAULT_LIMIT = 50;

/** Adds the options of a list. */
export function addPageOptions(command: Command): Command {
  return command
    .option("-n, --limit <count>", `how many (${DEFAULT_LIMIT})`, positive)
    .option("--all", "all of them")
    .option("--oldest", "the oldest first")
    .option("--page-token <token>", "go on where a list ended")
    .option("--no-payload", "without payloads and results");
}

/** How a list is read and written. */
interface Listed<T> {
  read(page: {
    readonly pageSize: number;
    readonly pageToken: string;
    readonly order: "NEWEST" | "OLDEST";
  }): Promise<Page<T>>;
  record(item: T): JsonRecord;
  table(items: readonly T[]): string;
  /** What a person is told when there is nothing. */
  readonly none: string;
}

/** Writes as many items as are asked for, page by page, and tells how to go on when there are more. */
export async function printPages<T>(
  context: Context,
  options: PageFlags & FormatOptions,
  { read, record, table, none }: Listed<T>,
): Promise<void> {
  const isForPeople = context.isForPeople(options);
  const order = options.oldest === true ? "OLDEST" : "NEWEST";
  let left = options.all === true ? Number.POSITIVE_INFINITY : (options.limit ?? DEFAULT_LIMIT);
  let pageToken = options.pageToken ?? "";
  let isFirst = true;
  do {
    const { items, nextPageToken } = await read({ pageSize: Math.min(left, PAGE_SIZE), pageToken, order });
    left -= items.length;
    pageToken = nextPageToken;
    if (!isForPeople) for (const item of items) await context.printRecord(record(item));
    else if (items.length > 0) await context.print(table(items));
    else if (isFirst && nextPageToken === "") context.tell(none);
    if (items.length > 0) isFirst = false;
  } while (pageToken !== "" && left > 0);
  if (pageToken !== "")
    context.tell(`there are more: --all lists them, --page-token ${inLine(pageToken)} goes on here`);
}
