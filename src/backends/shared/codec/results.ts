import type { EnqueueResult, GivenFields, NewJob } from "../../../core/port/new-jobs.js";
import { readJob, type WrittenJob, writeJob } from "./jobs.js";
import type { Whole } from "./whole.js";

/** Null stands for the usual result: the job was created just now, as it was to be. */
type WrittenEnqueued =
  | readonly [
      id: string,
      deduplicated: boolean,
      met: "KEPT" | "REPLACED" | null,
      existing: WrittenJob | null,
      createdAt: number,
      runAfter: number,
      given: GivenFields | null,
    ]
  | null;

/** Results of creates, as frames have them: when the first was created, and a list if one of them is not as usual. */
export type WrittenResults = readonly [createdAt: number, results: readonly WrittenEnqueued[] | null];

/** Writes what came of these jobs. */
export function writeResults(jobs: readonly NewJob[], results: readonly EnqueueResult[]): WrittenResults {
  const createdAt = results[0]?.createdAt ?? 0;
  const isUsual = (result: EnqueueResult, at: number) => {
    const job = jobs[at];
    if (job === undefined || result.deduplicated || result.given !== undefined) return false;
    return result.createdAt === createdAt && result.id === job.id && result.runAfter === usualTime(job, createdAt);
  };
  if (results.every(isUsual)) return [createdAt, null];
  return [createdAt, results.map((result, at) => (isUsual(result, at) ? null : writeEnqueued(result)))];
}

export function readResults(jobs: readonly NewJob[], [createdAt, written]: WrittenResults): EnqueueResult[] {
  return jobs.map((job, at) => {
    const result = written?.[at] ?? null;
    if (result !== null) return readEnqueued(result);
    return { id: job.id, deduplicated: false, createdAt, runAfter: usualTime(job, createdAt) };
  });
}

export function writeEnqueued(result: EnqueueResult): NonNullable<WrittenEnqueued> {
  const { id, deduplicated, met, existing, createdAt, runAfter, given } = result;
  const job = existing === undefined ? null : writeJob(existing);
  return [id, deduplicated, met ?? null, job, createdAt, runAfter, given ?? null];
}

export function readEnqueued(written: NonNullable<WrittenEnqueued>): EnqueueResult {
  const [id, deduplicated, met, existing, createdAt, runAfter, given] = written;
  const result: Whole<EnqueueResult> = {
    id,
    deduplicated,
    met: met ?? undefined,
    existing: existing === null ? undefined : readJob(existing),
    createdAt,
    runAfter,
    given: given ?? undefined,
  };
  return result;
}

function usualTime({ runAfter, delayMs = 0 }: NewJob, createdAt: number): number {
  return runAfter ?? createdAt + delayMs;
}
