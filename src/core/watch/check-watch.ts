import { LIMITS } from "../../model/common/limits.js";
import { JOB_STATUSES, type JobStatus } from "../../model/job/job.js";
import { Violations } from "../../model/request/violations.js";
import type { ChangeFilter } from "../port/changes.js";
import type { QueuesWatchOptions } from "./queues-watcher.js";

/** Checks the id of a job that is to be watched. Throws FIELD_INVALID, with what `violations` have already. */
export function checkWatchedJob(violations: Violations, id: string): string {
  violations.jobId("id", id);
  violations.throwIfAny();
  return id;
}

/** Which changes somebody asks to watch; what is empty matches all. */
export interface WatchedChanges {
  readonly queues: readonly string[];
  readonly types: readonly string[];
  readonly statuses: readonly JobStatus[];
}

/** Checks which changes are to be watched. Throws FIELD_INVALID, with what `violations` have already. */
export function checkChanges(violations: Violations, { queues, types, statuses }: WatchedChanges): ChangeFilter {
  // Apart from what was found already, which is to be told with what is bad in the lists.
  const lists = new Violations();
  lists.filter("queues", queues);
  lists.filter("types", types);
  lists.filter("statuses", statuses);
  queues.forEach((name, index) => {
    violations.queueName(`queues[${index}]`, name);
  });
  types.forEach((type, index) => {
    violations.text(`types[${index}]`, type, 1, LIMITS.typeLength);
  });
  statuses.forEach((status, index) => {
    if (!JOB_STATUSES.includes(status)) violations.add(`statuses[${index}]`, `is not a job status: ${status}`);
  });
  violations.throwIfAny();
  return { queues: setOf(queues), types: setOf(types), statuses: setOf(statuses) };
}

/** Bounds and default of the least time between two events of a watch of queues, ms. */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 60_000;
const DEFAULT_INTERVAL_MS = 1000;

/** Checks which queues are to be watched, and how often. Throws FIELD_INVALID, with what `violations` have already. */
export function checkWatchedQueues(
  violations: Violations,
  names: readonly string[],
  minIntervalMs = DEFAULT_INTERVAL_MS,
): QueuesWatchOptions {
  new Violations().filter("names", names);
  names.forEach((name, index) => {
    violations.queueName(`names[${index}]`, name);
  });
  violations.integer("minInterval", minIntervalMs, MIN_INTERVAL_MS, MAX_INTERVAL_MS);
  violations.throwIfAny();
  return { names: names.length > 0 ? names : undefined, minIntervalMs };
}

function setOf<T>(items: readonly T[]): ReadonlySet<T> | undefined {
  return items.length === 0 ? undefined : new Set(items);
}
