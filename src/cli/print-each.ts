import type { Job } from "../client/index.js";
import type { Context, FormatOptions } from "./context.js";
import { jobRecord } from "./output/records.js";
import { inLine } from "./output/style.js";

/** What became of one job. */
export interface Done {
  /** As it is now; undefined: it is gone. */
  readonly job: Job | undefined;
  /** What a person is told, safe to print. */
  readonly text: string;
}

/**
 * Does something to each of some jobs at the same time, and writes what each has become, in order. All are tried; rejects with
 * the first error, after those that succeeded are written.
 */
export async function printEach(
  context: Context,
  options: FormatOptions,
  ids: readonly string[],
  call: (id: string) => Promise<Done>,
): Promise<void> {
  const isForPeople = context.isForPeople(options);
  const ends = await Promise.allSettled(ids.map((id) => call(id)));
  for (const [at, end] of ends.entries()) {
    if (end.status === "rejected") continue;
    const { job, text } = end.value;
    if (isForPeople) await context.print(`${text.trimEnd()}\n`);
    else await context.printRecord(job === undefined ? { id: ids[at], deleted: true } : jobRecord(job));
  }
  const [first, ...others] = ends.filter((end) => end.status === "rejected");
  for (const { reason } of others) context.tell(`gotaskq: ${inLine(String(reason?.message ?? reason))}`);
  if (first !== undefined) throw first.reason;
}
