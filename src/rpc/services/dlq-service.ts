import type { ServiceImpl } from "@connectrpc/connect";
import type { DeadJobFilter as DeadJobFilterPb, DlqService } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import type { Engine } from "../../core/engine.js";
import type { DeadJobFilter } from "../../model/job-filter.js";
import { Violations } from "../../model/violations.js";
import { fromJob, toTime } from "./convert.js";

/** Implements DlqService on the core. */
export function createDlqService({ dlq }: Engine): ServiceImpl<typeof DlqService> {
  return {
    async listDeadJobs(request) {
      const { queue, type, pageSize, pageToken } = request;
      const page = await dlq.list({ queue, type, pageSize, pageToken });
      return { jobs: page.jobs.map(fromJob), nextPageToken: page.nextPageToken };
    },

    async getDeadJob({ id }) {
      return { job: fromJob(await dlq.get(id)) };
    },

    async replayDeadJob({ id }) {
      return { job: fromJob(await dlq.replay(id)) };
    },

    async replayDeadJobs({ filter, ...options }) {
      const violations = new Violations();
      const { count } = await dlq.replayMatching(toFilter(violations, filter), options, violations);
      return { count };
    },

    async deleteDeadJob({ id }) {
      await dlq.remove(id);
      return {};
    },

    async purgeDeadJobs({ filter, ...options }) {
      const violations = new Violations();
      const { count } = await dlq.purgeMatching(toFilter(violations, filter), options, violations);
      return { count };
    },
  };
}

function toFilter(violations: Violations, filter: DeadJobFilterPb | undefined): DeadJobFilter {
  return {
    queue: filter?.queue,
    type: filter?.type,
    errorContains: filter?.errorContains,
    diedAfter: toTime(violations, "filter.diedAfter", filter?.diedAfter),
    diedBefore: toTime(violations, "filter.diedBefore", filter?.diedBefore),
  };
}
