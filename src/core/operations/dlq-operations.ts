import { jobNotFound, jobStateConflict } from "../../model/errors.js";
import type { Job } from "../../model/job.js";
import type { BulkOptions, DeadJobFilter, JobFilter } from "../../model/job-filter.js";
import { LIMITS } from "../../model/limits.js";
import { Violations } from "../../model/violations.js";
import type { Backend, RowOutcome } from "../backend.js";
import { yieldToEventLoop } from "../yield-to-event-loop.js";
import { checkId } from "./job-operations.js";
import { type JobPage, listPages, pageOf, queueNames } from "./paging.js";

/** Lists, replays and deletes dead letters: jobs that are DEAD. */
export interface DlqOperations {
  /** Lists queue by queue, by name; within a queue the latest death comes first. */
  list(filter: Omit<JobFilter, "statuses">): Promise<JobPage>;
  /** JOB_NOT_FOUND; JOB_STATE_CONFLICT if the job is not DEAD. */
  get(id: string): Promise<Job>;
  /** Makes a dead job ready again. JOB_NOT_FOUND; JOB_STATE_CONFLICT if it is not DEAD. */
  replay(id: string): Promise<Job>;
  /**
   * The oldest death first; answers how many. Jobs that die after the call began are not touched. FIELD_INVALID for an
   * empty filter without `all`, and for `all` with another.
   */
  replayMatching(filter: DeadJobFilter, options?: BulkOptions, violations?: Violations): Promise<number>;
  /** Deletes a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT if it is not DEAD. */
  remove(id: string): Promise<void>;
  /** The oldest death first; answers how many. Errors as of `replayMatching`. */
  purgeMatching(filter: DeadJobFilter, options?: BulkOptions, violations?: Violations): Promise<number>;
}

/** Creates the dead-letter operations on a backend. */
export function createDlqOperations(backend: Backend): DlqOperations {
  /** Calls `apply` with the ids of the dead jobs that match, page by page; resolves to how many it was applied to. */
  async function forMatching(
    filter: DeadJobFilter,
    { max = 0, dryRun = false, all = false }: BulkOptions,
    violations: Violations,
    apply: (ids: readonly string[]) => Promise<readonly RowOutcome[]>,
  ): Promise<number> {
    checkScope(violations, filter, all);
    if (filter.queue) violations.queueName("filter.queue", filter.queue);
    violations.integer("max", max, 0, 2 ** 31 - 1);
    violations.throwIfAny();
    const startedAt = await backend.now();
    const limit = max || Number.POSITIVE_INFINITY;
    let count = 0;
    const wanted = filter.queue || undefined;
    for (const queue of await queueNames(backend, wanted)) {
      if (count >= limit) break;
      let after: string | undefined;
      do {
        const query = {
          queue,
          type: filter.type || undefined,
          after,
          limit: LIMITS.pageSize,
          order: "OLDEST" as const,
        };
        const page = await pageOf(wanted, () => backend.listDead(query));
        after = page.next;
        const ids = page.jobs.filter((job) => matches(filter, job, startedAt)).map(({ id }) => id);
        const chosen = ids.slice(0, limit - count);
        if (dryRun) count += chosen.length;
        else if (chosen.length > 0) count += (await apply(chosen)).filter((row) => row.outcome === "APPLIED").length;
        await yieldToEventLoop();
      } while (after !== undefined && count < limit);
    }
    return count;
  }

  return {
    async list({ queue, type, pageSize, pageToken }) {
      const violations = new Violations();
      if (queue) violations.queueName("queue", queue);
      violations.pageSize("pageSize", pageSize);
      violations.throwIfAny();
      const request = { queue: queue || undefined, pageSize, pageToken, filter: JSON.stringify(["dead", type ?? ""]) };
      return listPages(backend, request, (name, after, limit, maxBytes) =>
        backend.listDead({ queue: name, type: type || undefined, after, limit, maxBytes, order: "NEWEST" }),
      );
    },

    async get(id) {
      checkId(id);
      const [job] = await backend.get([id]);
      if (job === undefined) throw jobNotFound(id);
      if (job.status !== "DEAD") throw jobStateConflict(id, job.status, "DEAD");
      return job;
    },

    async replay(id) {
      checkId(id);
      const [row] = await backend.replay([id]);
      return applied(id, row);
    },

    replayMatching: (filter, options = {}, violations = new Violations()) =>
      forMatching(filter, options, violations, (ids) => backend.replay(ids)),

    async remove(id) {
      checkId(id);
      const [row] = await backend.remove([id], ["DEAD"]);
      applied(id, row);
    },

    purgeMatching: (filter, options = {}, violations = new Violations()) =>
      forMatching(filter, options, violations, (ids) => backend.remove(ids, ["DEAD"])),
  };
}

function applied(id: string, row: RowOutcome | undefined): Job {
  if (row?.outcome === "CONFLICT") throw jobStateConflict(id, row.status, "DEAD");
  if (row?.outcome !== "APPLIED") throw jobNotFound(id);
  return row.job;
}

/** Refuses to take every dead job of every queue unless just that was said. */
function checkScope(violations: Violations, filter: DeadJobFilter, all: boolean): void {
  const { queue, type, errorContains, diedAfter, diedBefore } = filter;
  // A field that was given and is bad is named already: it makes no empty filter.
  const isBad = violations.list.some(({ field }) => field.startsWith("filter."));
  const isEmpty = !isBad && !queue && !type && !errorContains && (diedAfter ?? diedBefore) === undefined;
  if (isEmpty && !all) violations.add("filter", "is empty: set `all: true` to take every dead job of every queue");
  if (!isEmpty && all) violations.add("all", "cannot be set together with a filter");
}

function matches(filter: DeadJobFilter, job: Job, startedAt: number): boolean {
  const diedAt = job.finishedAt ?? 0;
  return (
    diedAt <= startedAt &&
    (filter.errorContains === undefined || job.error.includes(filter.errorContains)) &&
    (filter.diedAfter === undefined || diedAt >= filter.diedAfter) &&
    (filter.diedBefore === undefined || diedAt < filter.diedBefore)
  );
}
