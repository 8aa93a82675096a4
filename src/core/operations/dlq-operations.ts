import { jobNotFound, jobStateConflict } from "../../model/errors.js";
import { numberOf } from "../../model/ids.js";
import type { Job } from "../../model/job.js";
import type { BulkOptions, DeadJobFilter, JobFilter } from "../../model/job-filter.js";
import { LIMITS } from "../../model/limits.js";
import { Violations } from "../../model/violations.js";
import type { Backend, RowOutcome } from "../backend.js";
import { yieldToEventLoop } from "../yield-to-event-loop.js";
import { checkId } from "./job-operations.js";
import { createMergedKeys, type Place } from "./merged-keys.js";
import { fitting, type JobPage, keysOf, listPages, queueNames, readPlaces } from "./paging.js";

/** Lists, replays and deletes dead letters: jobs that are DEAD. */
export interface DlqOperations {
  /** The latest death first, over all queues. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
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
  /** Lets `apply` do its work on the dead jobs that match, the oldest death over all queues first. */
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
    const limit = max || Number.POSITIVE_INFINITY;
    let count = 0;
    for await (const ids of matching(filter)) {
      const chosen = ids.slice(0, limit - count);
      if (dryRun) count += chosen.length;
      else if (chosen.length > 0) count += (await apply(chosen)).filter((row) => row.outcome === "APPLIED").length;
      if (count >= limit) break;
      await yieldToEventLoop();
    }
    return count;
  }

  /** Ids of the dead jobs that match, part by part; of those that died before it began. */
  async function* matching(filter: DeadJobFilter): AsyncGenerator<readonly string[]> {
    const { type, errorContains = "", diedAfter = 0, diedBefore = Number.POSITIVE_INFINITY } = filter;
    const until = Math.min((await backend.now()) + 1, diedBefore);
    const wanted = filter.queue || undefined;
    const read = createMergedKeys({
      queues: await queueNames(backend, wanted),
      order: "OLDEST",
      after: undefined,
      read: (bounds) =>
        keysOf(wanted, () => backend.listDeadKeys({ ...bounds, type: type || undefined, order: "OLDEST" })),
    });
    for (;;) {
      const { places, next } = await read(LIMITS.pageSize);
      let rest = places.filter(({ at }) => at >= diedAfter && at < until);
      while (rest.length > 0) {
        const part = fitting(rest);
        const jobs = await readPlaces(backend, part);
        // One that was replayed meanwhile, and perhaps died again, is not the one that was found.
        const isMatch = ({ id, key }: Place) => {
          const job = jobs.get(id);
          return job !== undefined && deadKey(job) === key && job.error.includes(errorContains);
        };
        yield part.filter(isMatch).map(({ id }) => id);
        rest = rest.slice(part.length);
      }
      if (next === undefined || (places.at(-1)?.at ?? 0) >= until) return;
    }
  }

  return {
    async list({ queue, type, pageSize, pageToken }) {
      const violations = new Violations();
      if (queue) violations.queueName("queue", queue);
      violations.pageSize("pageSize", pageSize);
      violations.throwIfAny();
      const request = { queue: queue || undefined, pageSize, pageToken, filter: JSON.stringify(["dead", type ?? ""]) };
      const chosen = { type: type || undefined, order: "NEWEST" } as const;
      return listPages(backend, request, {
        jobs: (bounds) => backend.listDead({ ...chosen, ...bounds }),
        keys: (bounds) => backend.listDeadKeys({ ...chosen, ...bounds }),
        keyOf: deadKey,
      });
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
      const job = applied(id, row);
      if (job === undefined) throw jobNotFound(id);
      return job;
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

/** The key of a job among the dead; undefined for one that is not. */
function deadKey({ id, status, finishedAt }: Job): string | undefined {
  return status === "DEAD" ? `${finishedAt}-${numberOf(id)}` : undefined;
}

function applied(id: string, row: RowOutcome | undefined): Job | undefined {
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
