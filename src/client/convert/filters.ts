import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { DeadJobFilterSchema } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import {
  type JobFilterSchema,
  JobView as JobViewPb,
  ListOrder as ListOrderPb,
} from "../../../gen/gotaskq/v1/job_pb.js";
import { fieldInvalid } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import type { BulkOptions, BulkResult, DeadJobFilter, JobFilter, PageOptions } from "../../model/job/job-filter.js";
import { converters } from "./converters.js";
import { toPendingStates, toStatuses } from "./job.js";

const { int } = converters();

/** Converts a filter for a request. */
export function toJobFilter(filter: JobFilter): MessageInitShape<typeof JobFilterSchema> {
  return {
    ...textsOf(filter),
    statuses: toStatuses(filter.statuses),
    pendingStates: toPendingStates(filter.pendingStates),
    createdAfter: toTime("createdAfter", filter.createdAfter),
    createdBefore: toTime("createdBefore", filter.createdBefore),
    finishedAfter: toTime("finishedAfter", filter.finishedAfter),
    finishedBefore: toTime("finishedBefore", filter.finishedBefore),
  };
}

/** Converts a filter of dead jobs for a request. */
export function toDeadJobFilter(filter: DeadJobFilter): MessageInitShape<typeof DeadJobFilterSchema> {
  return {
    ...textsOf(filter),
    queue: filter.queue ?? "",
    type: filter.type ?? "",
    createdAfter: toTime("createdAfter", filter.createdAfter),
    createdBefore: toTime("createdBefore", filter.createdBefore),
    diedAfter: toTime("diedAfter", filter.diedAfter),
    diedBefore: toTime("diedBefore", filter.diedBefore),
  };
}

/** Converts how a page is to be for a request. */
export function toPage({ order = "NEWEST", view = "FULL", pageSize = 0, pageToken = "" }: PageOptions) {
  return {
    order: ListOrderPb[order] ?? -1,
    view: JobViewPb[view] ?? -1,
    pageSize: int("pageSize", pageSize),
    pageToken,
  };
}

/** Converts the options of a bulk operation for a request. */
export function toBulk({ max = 0, dryRun = false, all = false, pageToken = "" }: BulkOptions) {
  return { max: int("max", max), dryRun, all, pageToken };
}

/** Converts what a bulk operation did from its message. */
export function fromBulk({ count, hasMore, nextPageToken }: BulkResult): BulkResult {
  return { count, hasMore, nextPageToken };
}

function textsOf(filter: JobFilter | DeadJobFilter) {
  const {
    queues = [],
    types = [],
    ids = [],
    keys = [],
    metadata = {},
    errorContains = "",
    worker = "",
    schedule = "",
  } = filter;
  const { errorEquals, errorGroup } = filter;
  return {
    queues: [...queues],
    types: [...types],
    ids: [...ids],
    keys: [...keys],
    metadata: { ...metadata },
    errorContains,
    worker,
    schedule,
    ...(errorEquals !== undefined && { errorEquals }),
    ...(errorGroup !== undefined && { errorGroup }),
  };
}

function toTime(field: string, at: number | undefined) {
  if (at === undefined) return undefined;
  if (at >= LIMITS.minTime && at <= LIMITS.maxTime) return timestampFromMs(at);
  throw fieldInvalid([{ field, description: `must be a time in the years 1 to 9999, got ${at}` }]);
}
