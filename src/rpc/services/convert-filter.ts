import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type {
  DeadJobFilter as DeadJobFilterPb,
  ListDeadJobsRequest,
  PurgeDeadJobsRequest,
  ReplayDeadJobsRequest,
} from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import {
  type JobFilter as JobFilterPb,
  JobView as JobViewPb,
  ListOrder as ListOrderPb,
} from "../../../gen/gotaskq/v1/job_pb.js";
import type { CancelJobsRequest, DeleteJobsRequest, ListJobsRequest } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type {
  BulkOptions,
  DeadJobFilter,
  DeadJobQuery,
  JobFilter,
  JobQuery,
  JobView,
  ListOrder,
} from "../../model/job/job-filter.js";
import type { Violations } from "../../model/request/violations.js";
import { toPendingStates, toStatuses, toTime } from "./convert.js";

// Converts filters, whose fields are named as in `filter.queues[0]`; what cannot be converted is added to `violations`.

/** Converts the request of a list. */
export function toJobQuery(violations: Violations, request: ListJobsRequest): JobQuery {
  const { queue, type, pageSize, pageToken, statuses } = request;
  violations.filter("statuses", statuses);
  const own = toStatuses(violations, "statuses", statuses);
  const filter = toJobFilter(violations, request.filter);
  if (own.length > 0 && filter.statuses?.length)
    violations.add("statuses", "cannot be set together with `filter.statuses`");
  const order = toOrder(violations, request.order);
  const view = toView(violations, request.view);
  return { ...filter, ...(own.length > 0 && { statuses: own }), queue, type, order, view, pageSize, pageToken };
}

/** Converts the request of a list of dead jobs. */
export function toDeadJobQuery(violations: Violations, request: ListDeadJobsRequest): DeadJobQuery {
  const { pageSize, pageToken } = request;
  const { queue, type, ...filter } = toDeadJobFilter(violations, request.filter);
  for (const [name, short] of Object.entries({ queue, type })) {
    if (request[name as "queue" | "type"] && short)
      violations.add(name, `cannot be set together with \`filter.${name}\``);
  }
  const order = toOrder(violations, request.order);
  const view = toView(violations, request.view);
  return { ...filter, queue: request.queue || queue, type: request.type || type, order, view, pageSize, pageToken };
}

/** Converts the filter of a request. */
export function toJobFilter(violations: Violations, filter: JobFilterPb | undefined): JobFilter {
  if (filter === undefined) return {};
  return {
    ...textsOf(filter),
    statuses: toStatuses(violations, "filter.statuses", filter.statuses),
    pendingStates: toPendingStates(violations, "filter.pendingStates", filter.pendingStates),
    ...timesOf(violations, filter, "createdAfter", "createdBefore", "finishedAfter", "finishedBefore"),
  };
}

/** Converts the filter of a request for dead jobs. */
export function toDeadJobFilter(violations: Violations, filter: DeadJobFilterPb | undefined): DeadJobFilter {
  if (filter === undefined) return {};
  const { queue, type } = filter;
  const times = timesOf(violations, filter, "createdAfter", "createdBefore", "diedAfter", "diedBefore");
  return { ...textsOf(filter), queue, type, ...times };
}

/** Takes the options of a bulk operation out of its request. */
export function toBulkOptions(
  request: CancelJobsRequest | DeleteJobsRequest | ReplayDeadJobsRequest | PurgeDeadJobsRequest,
): BulkOptions {
  const { max, dryRun, all, pageToken } = request;
  return { max, dryRun, all, pageToken };
}

function textsOf(filter: JobFilterPb | DeadJobFilterPb) {
  const { queues, types, ids, keys, metadata, errorContains, errorEquals, errorGroup, worker, schedule } = filter;
  return { queues, types, ids, keys, metadata, errorContains, errorEquals, errorGroup, worker, schedule };
}

function timesOf<K extends string>(
  violations: Violations,
  filter: { readonly [name in K]?: Timestamp | undefined },
  ...names: readonly K[]
): { [name in K]?: number | undefined } {
  const times: { [name in K]?: number | undefined } = {};
  for (const name of names) times[name] = toTime(violations, `filter.${name}`, filter[name]);
  return times;
}

function toOrder(violations: Violations, order: ListOrderPb): ListOrder {
  if (order === ListOrderPb.OLDEST) return "OLDEST";
  if (order !== ListOrderPb.NEWEST && order !== ListOrderPb.UNSPECIFIED)
    violations.add("order", `is not an order: ${order}`);
  return "NEWEST";
}

function toView(violations: Violations, view: JobViewPb): JobView {
  if (view === JobViewPb.BASIC) return "BASIC";
  if (view !== JobViewPb.FULL && view !== JobViewPb.UNSPECIFIED) violations.add("view", `is not a view: ${view}`);
  return "FULL";
}
