import { createHash } from "node:crypto";
import { queueNotFound } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { JOB_STATUSES, type JobStatus } from "../../model/job/job.js";
import type { DeadJobFilter, JobFilter, PageOptions } from "../../model/job/job-filter.js";
import { PENDING_STATES } from "../../model/job/pending-state.js";
import { queueOf } from "../../model/queue/ids.js";
import { checkMetadata } from "../../model/request/validate.js";
import type { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import type { StoreMatch } from "../stores/job-matcher.js";
import { placeOfQueue } from "../stores/place-of-queue.js";

/** A filter that was checked. */
export interface CheckedFilter {
  /** Undefined: all queues. */
  readonly queues: readonly string[] | undefined;
  readonly match: StoreMatch;
}

/** A filter with the short forms for one queue and one type. */
type LooseFilter = JobFilter & { readonly queue?: string | undefined; readonly type?: string | undefined };

/**
 * Checks a filter and makes it what stores know. `path` is the prefix of its fields in the input, for example `filter.`; the short forms
 * `queue` and `type` stand at `shortPath`.
 */
export function checkFilter(
  violations: Violations,
  filter: LooseFilter,
  path: string,
  {
    shortPath = path,
    among = JOB_STATUSES,
  }: { readonly shortPath?: string; readonly among?: readonly JobStatus[] } = {},
): CheckedFilter {
  const { queue, type, queues = [], types = [], statuses = [], pendingStates = [], ids = [] } = filter;
  const { keys = [], metadata = {}, errorContains, errorEquals, errorGroup, worker, schedule } = filter;
  const { createdAfter, createdBefore, finishedAfter, finishedBefore } = filter;
  if (queue) violations.queueName(`${shortPath}queue`, queue);
  if (queue && queues.length > 0) violations.add(`${shortPath}queue`, "cannot be set together with `queues`");
  if (type && types.length > 0) violations.add(`${shortPath}type`, "cannot be set together with `types`");
  const listed = <T>(field: string, list: readonly T[], check: (field: string, entry: T) => void) => {
    violations.count(path + field, list, 0, LIMITS.filterEntries);
    for (const [index, entry] of list.slice(0, LIMITS.filterEntries).entries())
      check(`${path}${field}[${index}]`, entry);
  };
  listed("queues", queues, (field, name) => violations.queueName(field, name));
  listed("types", types, (field, name) => violations.text(field, name, 1, LIMITS.typeLength));
  listed("keys", keys, (field, key) => violations.text(field, key, 0, LIMITS.keyLength));
  listed("ids", ids, (field, id) => violations.jobId(field, id));
  listed("statuses", statuses, (field, status) => {
    if (!among.includes(status)) violations.add(field, `must be among ${among.join(", ")}`);
  });
  listed("pendingStates", pendingStates, (field, state) => {
    if (!PENDING_STATES.includes(state)) violations.add(field, `must be among ${PENDING_STATES.join(", ")}`);
  });
  if (pendingStates.length > 0 && !among.includes("PENDING"))
    violations.add(`${path}pendingStates`, `chooses PENDING jobs, and this is for those that are ${among.join(", ")}`);
  checkMetadata(violations, `${path}metadata`, metadata);
  violations.text(`${path}errorContains`, errorContains, 0, LIMITS.errorLength);
  violations.text(`${path}errorEquals`, errorEquals, 0, LIMITS.errorLength);
  violations.text(`${path}errorGroup`, errorGroup, 0, LIMITS.changeErrorLength);
  violations.text(`${path}worker`, worker, 0, LIMITS.workerLength);
  if (schedule) violations.queueName(`${path}schedule`, schedule);
  checkTimes(violations, path, { createdAfter, createdBefore, finishedAfter, finishedBefore });
  return {
    queues: queue ? [queue] : queues.length > 0 ? [...new Set(queues)].sort() : undefined,
    match: {
      types: type ? [type] : types,
      statuses,
      pendingStates,
      ids,
      keys,
      metadata,
      errorContains: errorContains || undefined,
      errorEquals,
      errorGroup,
      worker: worker || undefined,
      schedule: schedule || undefined,
      createdAfter,
      createdBefore,
      finishedAfter,
      finishedBefore,
    },
  };
}

/** Checks a filter of dead jobs. */
export function checkDeadFilter(
  violations: Violations,
  { diedAfter, diedBefore, ...filter }: DeadJobFilter,
  path: string,
  shortPath = path,
): CheckedFilter {
  checkTimes(violations, path, { diedAfter, diedBefore });
  const { queues, match } = checkFilter(violations, filter, path, { shortPath });
  return { queues, match: { ...match, statuses: ["DEAD"], finishedAfter: diedAfter, finishedBefore: diedBefore } };
}

function checkTimes(violations: Violations, path: string, times: Readonly<Record<string, number | undefined>>): void {
  for (const [field, at] of Object.entries(times)) {
    if (at !== undefined && !Number.isFinite(at)) violations.add(path + field, "must be a time");
  }
}

/** Checks how a page is to be. */
export function checkPage(violations: Violations, { pageSize, order, view }: PageOptions): void {
  violations.pageSize("pageSize", pageSize);
  if (order !== undefined && order !== "NEWEST" && order !== "OLDEST")
    violations.add("order", "must be NEWEST or OLDEST");
  if (view !== undefined && view !== "FULL" && view !== "BASIC") violations.add("view", "must be FULL or BASIC");
}

/** Whether a filter chooses everything. */
export function isEmpty({ queues, match }: CheckedFilter, besides: readonly string[] = []): boolean {
  const isSet = (value: unknown) =>
    Array.isArray(value)
      ? value.length > 0
      : typeof value === "object"
        ? Object.keys(value ?? {}).length > 0
        : value !== undefined;
  return (
    queues === undefined && !Object.entries(match).some(([name, value]) => !besides.includes(name) && isSet(value))
  );
}

/**
 * Resolves to the names of the queues to look into, in order: of the filter, or all, and of these only those of its ids. QUEUE_NOT_FOUND
 * for one that the filter names.
 */
export async function queuesOf(backend: Backend, { queues, match }: CheckedFilter): Promise<readonly string[]> {
  const all = await backend.queueNames();
  const unknown = queues?.find((name) => all[placeOfQueue(all, name)]?.name !== name);
  if (unknown !== undefined) throw queueNotFound(unknown);
  const names = queues ?? all.map(({ name }) => name);
  if (match.ids === undefined || match.ids.length === 0) return names;
  const ofIds = new Set(match.ids.map(queueOf));
  return names.filter((name) => ofIds.has(name));
}

/** A short text that tells this filter from another, for page tokens. `kind`: what is done with it. */
export function filterDigest(kind: string, { queues, match }: CheckedFilter, ...more: readonly unknown[]): string {
  const sorted = Object.entries(match)
    .map(([name, value]) => [
      name,
      Array.isArray(value) ? [...value].sort() : name === "metadata" ? Object.entries(value).sort() : value,
    ])
    .filter(([, value]) => value !== undefined);
  const text = JSON.stringify([kind, queues ?? [], sorted, ...more]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}
