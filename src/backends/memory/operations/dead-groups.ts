import type { GroupPage } from "../../../core/port/listing.js";
import { errorGroupOf } from "../../../core/stores/job-matcher.js";
import type { QueuedJob } from "../queue-state.js";

/** A dead job, and when it died, ms since 1970. */
interface Death {
  readonly record: QueuedJob;
  readonly at: number;
}

/** Counts dead jobs by type and error; the latest death of each group comes first in `deaths`. */
export function groupsOf(deaths: readonly Death[]): GroupPage["groups"] {
  const groups = new Map<
    string,
    { type: string; error: string; count: number; sampleId: string; lastDiedAt: number }
  >();
  for (const { record, at } of deaths) {
    const error = errorGroupOf(record.error);
    const key = JSON.stringify([record.type, error]);
    const group = groups.get(key);
    if (group !== undefined) group.count++;
    else groups.set(key, { type: record.type, error, count: 1, sampleId: record.id, lastDiedAt: at });
  }
  return [...groups.values()];
}
