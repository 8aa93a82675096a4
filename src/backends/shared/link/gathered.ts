import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  LeaseRef,
  Release,
  Settlement,
} from "../../../core/port/leases.js";
import type { EnqueueResult, NewJob } from "../../../core/port/new-jobs.js";
import { readError, type WrittenError } from "../codec/errors.js";
import { writeNewJob } from "../codec/jobs.js";
import {
  readExtended,
  readSettlement,
  type WrittenExtended,
  type WrittenSettlement,
  writeCompletion,
  writeExtension,
  writeFailure,
  writeRelease,
} from "../codec/leases.js";
import { readResults, type WrittenResults } from "../codec/results.js";

/** What one caller gave to a gathered call. */
export interface Part<I, R> {
  readonly items: readonly I[];
  readonly resolve: (results: readonly R[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A kind of calls that travel together, those of several callers as one. */
export interface Gathered<I, R> {
  readonly method: string;
  readonly write: (item: I) => unknown;
  readonly bytesOf: (item: I) => number;
  /** Hands an answer to those whose items were in the call, in their order. */
  readonly settle: (parts: readonly Part<I, R>[], answer: never) => void;
}

/** What an item takes in a frame beside its payload, about. */
const ITEM_BYTES = 100;

/** The answer to gathered creates: of all together or, when they were refused so, of each caller by itself. */
export type WrittenCreates =
  | { readonly all: WrittenResults }
  | { readonly each: readonly ({ readonly results: WrittenResults } | { readonly error: WrittenError })[] };

export const CREATES: Gathered<NewJob, EnqueueResult> = {
  method: "enqueue",
  write: writeNewJob,
  bytesOf: ({ payload }) => 2 * ITEM_BYTES + (payload?.length ?? 0),
  settle(parts, answer: WrittenCreates) {
    if ("all" in answer) {
      const results = readResults(
        parts.flatMap(({ items }) => items),
        answer.all,
      );
      share(parts, results);
      return;
    }
    for (const [at, { items, resolve, reject }] of parts.entries()) {
      const part = answer.each[at];
      if (part === undefined) reject(new Error("the process that keeps the jobs left out an answer"));
      else if ("error" in part) reject(readError(part.error));
      else resolve(readResults(items, part.results));
    }
  },
};

export const COMPLETIONS: Gathered<Completion, Settlement> = {
  method: "complete",
  write: writeCompletion,
  bytesOf: ({ result }) => ITEM_BYTES + (result?.length ?? 0),
  settle: shareSettlements,
};

export const FAILURES: Gathered<Failure, Settlement> = {
  method: "fail",
  write: writeFailure,
  bytesOf: ({ error }) => ITEM_BYTES + error.length,
  settle: shareSettlements,
};

export const RELEASES: Gathered<Release, Settlement> = {
  method: "release",
  write: writeRelease,
  bytesOf: () => ITEM_BYTES,
  settle: shareSettlements,
};

export const EXTENSIONS: Gathered<Extension, ExtendResult> = {
  method: "extend",
  write: writeExtension,
  bytesOf: ({ progress }) => ITEM_BYTES + (progress?.message.length ?? 0),
  settle: (parts, answer: readonly WrittenExtended[]) => share(parts, answer.map(readExtended)),
};

function shareSettlements<I extends LeaseRef>(
  parts: readonly Part<I, Settlement>[],
  answer: readonly WrittenSettlement[],
): void {
  const items = parts.length === 1 ? (parts[0]?.items ?? []) : parts.flatMap((part) => part.items);
  share(
    parts,
    items.map(({ jobId }, at) => readSettlement(answer[at] as WrittenSettlement, jobId)),
  );
}

/** Hands each caller the results of its items. */
function share<I, R>(parts: readonly Part<I, R>[], results: readonly R[]): void {
  if (parts.length === 1) {
    parts[0]?.resolve(results);
    return;
  }
  let from = 0;
  for (const { items, resolve } of parts) {
    resolve(results.slice(from, from + items.length));
    from += items.length;
  }
}
