import type { StoreMatch } from "../../../core/stores/job-matcher.js";
import { numberOf, queueOf } from "../../../model/queue/ids.js";
import { statusDigits } from "../layout/codec.js";
import { PENDING_CODES } from "../layout/pending-codes.js";

/** Writes a filter for the scripts of a queue: see scripts/filter.ts. What matches all is left out. */
export function filterText(queue: string, match: StoreMatch): string {
  const { types = [], statuses = [], pendingStates = [], ids = [], keys = [], metadata = {} } = match;
  const { errorContains, worker, schedule } = match;
  const { createdAfter, createdBefore, finishedAfter, finishedBefore, errorEquals, errorGroup, cancelRequested } =
    match;
  return JSON.stringify({
    types: filled(types),
    statuses: filled([...statusDigits(statuses)]),
    pendings: filled(pendingStates.map((state) => PENDING_CODES[state])),
    numbers: ids.length === 0 ? undefined : numbersIn(queue, ids),
    keys: filled(keys),
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
    errorContains: errorContains || undefined,
    errorEquals,
    errorGroup,
    schedule,
    worker: worker || undefined,
    createdAfter,
    createdBefore,
    finishedAfter,
    finishedBefore,
    cancelRequested,
  });
}

/** The numbers of those of these jobs that are in the queue, each once. */
export function numbersIn(queue: string, ids: readonly string[]): string[] {
  return [...new Set(ids)].filter((id) => queueOf(id) === queue).map(numberOf);
}

function filled<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}
