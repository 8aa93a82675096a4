import type { BulkOptions, BulkResult } from "../model/job/job-filter.js";
import { UsageError } from "./command-error.js";
import type { Context, FormatOptions } from "./context.js";
import { isEmptyFilter } from "./options/filter.js";

/** What the options of an operation on all jobs that match come to. */
export interface BulkFlags extends FormatOptions {
  readonly all?: boolean;
  readonly max?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** An operation on all jobs that match a filter. */
export interface BulkOperation {
  /** What it does to jobs, as in `cancel`. */
  readonly verb: string;
  /** What they are called, as in `dead jobs`. */
  readonly what: string;
  call(options: BulkOptions): Promise<BulkResult>;
}

/**
 * Does it to all that match, call by call, once that is confirmed; a dry run only counts. What more there is to do after `max` stays.
 * Throws a `UsageError` for an empty filter without `all`, before anything is asked or done.
 */
export async function runBulk(
  context: Context,
  filter: object,
  { all, max, dryRun, yes, ...format }: BulkFlags,
  { verb, what, call }: BulkOperation,
): Promise<void> {
  if (isEmptyFilter(filter) !== (all === true)) {
    throw new UsageError(
      all === true
        ? `--all is every one of the ${what}: leave it out where a filter chooses`
        : `say which ${what}: by ids, by a filter, or --all for every one`,
    );
  }
  const through = async (isDry: boolean) => {
    let count = 0;
    for (let pageToken = ""; ; ) {
      const left = max === undefined ? undefined : max - count;
      if (left === 0) return count;
      const done = await call({ max: left, dryRun: isDry, all, pageToken });
      count += done.count;
      if (!done.hasMore || done.nextPageToken === "") return count;
      pageToken = done.nextPageToken;
    }
  };
  if (dryRun === true) {
    await print(await through(true), true);
    return;
  }
  // Counted only where somebody reads it.
  if (yes !== true && context.io.stdin.isTTY === true) {
    const found = await through(true);
    if (found === 0) return print(0, false);
    if (!(await context.confirm(`${verb} ${found} ${what}?`, yes))) {
      context.tell("nothing was changed");
      context.exitCode = 1;
      return;
    }
  } else if (!(await context.confirm(`${verb} ${what} that match?`, yes))) return;
  await print(await through(false), false);

  async function print(count: number, isDry: boolean): Promise<void> {
    if (!context.isForPeople(format)) await context.printRecord({ count, ...(isDry && { dryRun: true }) });
    else await context.print(`${isDry ? `would ${verb}` : `${verb}:`} ${count} ${what}\n`);
  }
}
