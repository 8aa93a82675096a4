import type { ServiceImpl } from "@connectrpc/connect";
import type { DlqService } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import type { EngineView } from "../../core/engine-view.js";
import { Violations } from "../../model/request/violations.js";
import { fromJob } from "./convert.js";
import { toBulkOptions, toDeadJobFilter, toDeadJobQuery } from "./convert-filter.js";
import { asText } from "./convert-payload.js";
import { fromMs } from "./times.js";

/** Implements DlqService on the core. */
export function createDlqService({ dlq }: EngineView): ServiceImpl<typeof DlqService> {
  return {
    async listDeadJobs(request) {
      const violations = new Violations();
      const isText = asText(request.payloadFormat, violations);
      const page = await dlq.list(toDeadJobQuery(violations, request), violations, "filter.");
      return { jobs: page.jobs.map((job) => fromJob(job, isText)), nextPageToken: page.nextPageToken };
    },

    async summarizeDeadJobs({ filter, maxGroups, pageToken }) {
      const violations = new Violations();
      const given = toDeadJobFilter(violations, filter);
      const { groups, ...counts } = await dlq.summarize(given, { maxGroups, pageToken }, violations);
      return {
        ...counts,
        groups: groups.map(({ lastDiedAt, ...group }) => ({ ...group, lastDiedAt: fromMs(lastDiedAt) })),
      };
    },

    async getDeadJob({ id, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { job: fromJob(await dlq.get(id), isText) };
    },

    async replayDeadJob({ id, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { job: fromJob(await dlq.replay(id), isText) };
    },

    async replayDeadJobs(request) {
      const violations = new Violations();
      return dlq.replayMatching(toDeadJobFilter(violations, request.filter), toBulkOptions(request), violations);
    },

    async deleteDeadJob({ id }) {
      await dlq.remove(id);
      return {};
    },

    async purgeDeadJobs(request) {
      const violations = new Violations();
      return dlq.purgeMatching(toDeadJobFilter(violations, request.filter), toBulkOptions(request), violations);
    },
  };
}
