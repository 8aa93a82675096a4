import type { Change, ChangeFilter } from "../port/changes.js";

/** Whether a change matches a filter. */
export function matchesChange(filter: ChangeFilter, change: Change): boolean {
  return (
    (filter.queues === undefined || filter.queues.has(change.queue)) &&
    (filter.within === undefined || filter.within.has(change.queue)) &&
    (filter.types === undefined || filter.types.has(change.type)) &&
    (filter.statuses === undefined || filter.statuses.has(change.status))
  );
}
