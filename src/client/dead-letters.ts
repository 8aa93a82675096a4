import { createClient, type Transport } from "@connectrpc/connect";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import type { CallOptions } from "../api/call-options.js";
import type { DeadLetters } from "../api/dead-letters.js";
import { createListing } from "../api/listing.js";
import type { DeadJobQuery } from "../model/job/job-filter.js";
import type { Caller } from "./calls.js";
import { converters } from "./convert/converters.js";
import { fromBulk, toBulk, toDeadJobFilter, toPage } from "./convert/filters.js";
import { fromJob } from "./convert/job.js";
import { payloadFormat } from "./convert/json.js";
import { presentJob } from "./convert/present.js";
import { timeOf } from "./convert/times.js";

const { int } = converters();

/** Creates the client of DlqService. */
export function createDeadLetters(transport: Transport, caller: Caller): DeadLetters {
  const rpc = createClient(DlqService, transport);
  return {
    list({ queue = "", type = "", ...query }: DeadJobQuery = {}, call?: CallOptions) {
      return createListing(query.pageToken, async (pageToken) => {
        const request = {
          queue,
          type,
          filter: toDeadJobFilter(query),
          ...toPage({ ...query, pageToken }),
          payloadFormat,
        };
        const page = await caller.repeatable((options) => rpc.listDeadJobs(request, options), call);
        return { items: page.jobs.map(fromJob), nextPageToken: page.nextPageToken };
      });
    },
    async summarize(filter = {}, { maxGroups = 0, pageToken = "", ...call } = {}) {
      const request = { filter: toDeadJobFilter(filter), maxGroups: int("maxGroups", maxGroups), pageToken };
      const summary = await caller.repeatable((options) => rpc.summarizeDeadJobs(request, options), call);
      const groups = summary.groups.map(({ queue, type, error, count, sampleId, lastDiedAt }) => ({
        ...{ queue, type, error, count, sampleId },
        lastDiedAt: timeOf(lastDiedAt) ?? 0,
      }));
      return { ...fromBulk(summary), groups, otherCount: summary.otherCount };
    },
    async get(id, call) {
      return presentJob(
        (await caller.repeatable((options) => rpc.getDeadJob({ id, payloadFormat }, options), call)).job,
      );
    },
    async replay(id, call) {
      return presentJob((await caller.once((options) => rpc.replayDeadJob({ id, payloadFormat }, options), call)).job);
    },
    async replayMatching(filter, options = {}) {
      const request = { filter: toDeadJobFilter(filter), ...toBulk(options) };
      return fromBulk(await caller.once((call) => rpc.replayDeadJobs(request, call), options));
    },
    async delete(id, call) {
      await caller.once((options) => rpc.deleteDeadJob({ id }, options), call);
    },
    async deleteMatching(filter, options = {}) {
      const request = { filter: toDeadJobFilter(filter), ...toBulk(options) };
      return fromBulk(await caller.once((call) => rpc.purgeDeadJobs(request, call), options));
    },
  };
}
