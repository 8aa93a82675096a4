import type { CallOptions } from "../api/call-options.js";
import type { DeadLetters } from "../api/dead-letters.js";
import { createListing } from "../api/listing.js";
import type { DlqOperations } from "../core/operations/dlq-operations.js";
import type { DeadJobQuery } from "../model/job/job-filter.js";
import type { Calls } from "./calls.js";
import { toJob } from "./local-job.js";

/** Creates the dead letters of a task queue on the operations of the core. */
export function createDeadLetters(dlq: DlqOperations, calls: Calls): DeadLetters {
  return {
    list: (query: DeadJobQuery = {}, options?: CallOptions) =>
      createListing(query.pageToken, (pageToken) =>
        calls.one(async () => {
          const { jobs, nextPageToken } = await dlq.list({ ...query, pageToken });
          return { items: jobs.map(toJob), nextPageToken };
        }, options),
      ),
    summarize: (filter, options) => calls.one(() => dlq.summarize(filter, options), options),
    get: (id, options) => calls.one(async () => toJob(await dlq.get(id)), options),
    replay: (id, options) => calls.one(async () => toJob(await dlq.replay(id)), options),
    replayMatching: (filter, options) => calls.one(() => dlq.replayMatching(filter, options), options),
    delete: (id, options) => calls.one(() => dlq.remove(id), options),
    deleteMatching: (filter, options) => calls.one(() => dlq.purgeMatching(filter, options), options),
  };
}
