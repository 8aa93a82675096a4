import { jobNotFound, jobStateConflict, uniqueKeyHeld } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import type { Job } from "../../model/job/job.js";
import type {
  BulkOptions,
  BulkResult,
  DeadJobFilter,
  DeadJobQuery,
  DeadSummary,
  SummaryOptions,
} from "../../model/job/job-filter.js";
import { numberOf } from "../../model/queue/ids.js";
import { Violations } from "../../model/request/violations.js";
import type { Backend, RowOutcome } from "../backend.js";
import { createMatcher } from "../stores/job-matcher.js";
import { runBulk } from "./bulk.js";
import { summarize } from "./dead-summary.js";
import { checkDeadFilter, checkPage, filterDigest, queuesOf } from "./filters.js";
import { checkId } from "./job-operations.js";
import { type JobPage, listPages } from "./paging.js";

/** Lists, replays and deletes dead letters: jobs that are DEAD. */
export interface DlqOperations {
  /** By death, over all queues. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. `path`: prefix of the fields of the filter. */
  list(query: DeadJobQuery, violations?: Violations, path?: string): Promise<JobPage>;
  /**
   * Counts dead jobs by queue, type and error with numbers and ids taken out; those that it examines, a bounded number. FIELD_INVALID,
   * PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  summarize(filter?: DeadJobFilter, options?: SummaryOptions, violations?: Violations): Promise<DeadSummary>;
  /** JOB_NOT_FOUND; JOB_STATE_CONFLICT if the job is not DEAD. */
  get(id: string): Promise<Job>;
  /** Makes a dead job ready again. JOB_NOT_FOUND; JOB_STATE_CONFLICT if it is not DEAD, or another job holds its unique key. */
  replay(id: string): Promise<Job>;
  /**
   * The oldest death first, up to 10,000 jobs. Those whose unique key another job holds stay DEAD, and are not counted. Jobs that die
   * after the call began are not touched. FIELD_INVALID, also for an empty filter without `all`, and for `all` with another;
   * PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  replayMatching(filter: DeadJobFilter, options?: BulkOptions, violations?: Violations): Promise<BulkResult>;
  /** Deletes a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT if it is not DEAD. */
  remove(id: string): Promise<void>;
  /** As `replayMatching`, but deletes the jobs. */
  purgeMatching(filter: DeadJobFilter, options?: BulkOptions, violations?: Violations): Promise<BulkResult>;
}

/** Creates the dead-letter operations on a backend. */
export function createDlqOperations(backend: Backend): DlqOperations {
  const bulk =
    (action: "REPLAY" | "DELETE"): DlqOperations["replayMatching"] =>
    async (given, options = {}, violations = new Violations()) => {
      const filter = checkDeadFilter(violations, given, "filter.");
      const everything = "every dead job of every queue";
      return runBulk(backend, { action, isDead: true, filter, own: ["statuses"], everything }, options, violations);
    };

  return {
    async list(query, violations = new Violations(), path = "") {
      const { order = "NEWEST", view = "FULL", pageSize, pageToken } = query;
      const filter = checkDeadFilter(violations, query, path, "");
      checkPage(violations, query);
      violations.throwIfAny();
      const queues = await queuesOf(backend, filter);
      const digest = filterDigest("list dead", filter, order);
      const chosen = { ...filter.match, order, view };
      const matches = createMatcher(filter.match);
      const request = { queues, order, view, pageSize, pageToken, filter: digest };
      return listPages(backend, request, {
        jobs: (bounds) => backend.listDead({ ...chosen, ...bounds }),
        keys: (bounds) => backend.listDeadKeys({ ...chosen, ...bounds }),
        keyOf: (job) => (matches(job) ? deadKey(job) : undefined),
      });
    },

    async summarize(given = {}, { maxGroups, pageToken = "" } = {}, violations = new Violations()) {
      const filter = checkDeadFilter(violations, given, "filter.");
      violations.integer("maxGroups", maxGroups, 0, LIMITS.groups);
      violations.throwIfAny();
      return summarize(backend, filter, maxGroups || LIMITS.defaultGroups, pageToken);
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

    replayMatching: bulk("REPLAY"),

    async remove(id) {
      checkId(id);
      const [row] = await backend.remove([id], ["DEAD"]);
      applied(id, row);
    },

    purgeMatching: bulk("DELETE"),
  };
}

/** The key of a job among the dead; undefined for one that is not. */
function deadKey({ id, status, finishedAt }: Job): string | undefined {
  return status === "DEAD" ? `${finishedAt}-${numberOf(id)}` : undefined;
}

function applied(id: string, row: RowOutcome | undefined): Job | undefined {
  if (row?.outcome === "CONFLICT") throw jobStateConflict(id, row.status, "DEAD");
  if (row?.outcome === "KEY_HELD") throw uniqueKeyHeld(id, row.by);
  if (row?.outcome !== "APPLIED") throw jobNotFound(id);
  return row.job;
}
