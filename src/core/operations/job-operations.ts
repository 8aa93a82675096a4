import { jobNotFound, jobStateConflict } from "../../model/common/errors.js";
import type { Job, JobStatus } from "../../model/job/job.js";
import type { BulkOptions, BulkResult, JobFilter, JobQuery } from "../../model/job/job-filter.js";
import type { Logger } from "../../model/log/logger.js";
import { noTracer, type Tracer } from "../../model/log/tracer.js";
import { type IdGenerator, numberOf } from "../../model/queue/ids.js";
import { checkUpdate, type UpdateRequest } from "../../model/request/validate.js";
import { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import type { Clock } from "../clock.js";
import { type JobDefaults, wholeMs } from "../new-job.js";
import type { Observer } from "../observer.js";
import { createMatcher } from "../stores/job-matcher.js";
import { createJobLog } from "../work/job-log.js";
import { countMatching, runBulk } from "./bulk.js";
import { type Creates, createCreates } from "./creates.js";
import { checkFilter, checkPage, filterDigest, queuesOf } from "./filters.js";
import { changeEach, getEach, idRefusal, type JobOutcome } from "./jobs-by-id.js";
import { type JobPage, listPages } from "./paging.js";

/** Creates, reads, lists, cancels and deletes jobs. */
export interface JobOperations extends Creates {
  /** JOB_NOT_FOUND. */
  get(id: string): Promise<Job>;
  /**
   * Reads 1 to 1000 jobs; resolves to a job or an error of `get` for each, in the order of the ids. There may be fewer, at least one:
   * the last is the job that brings them to `LIMITS.pageBytes`. FIELD_INVALID for too many.
   */
  getEach(ids: readonly string[]): Promise<readonly JobOutcome[]>;
  /** By creation, over all queues. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. `path`: prefix of the fields of the filter. */
  list(query: JobQuery, violations?: Violations, path?: string): Promise<JobPage>;
  /** Counts the jobs that match; examines a bounded number. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  count(filter?: JobFilter, pageToken?: string, violations?: Violations): Promise<BulkResult>;
  /**
   * As `cancel`, of up to 10,000 jobs, the oldest first; those whose cancel was requested already are left out. Jobs created after the
   * call began are not touched. FIELD_INVALID, also for an empty filter without `all`, and for `all` with another;
   * PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  cancelMatching(filter: JobFilter, options?: BulkOptions, violations?: Violations): Promise<BulkResult>;
  /** As `remove`, of up to 10,000 jobs, the oldest first. Errors as of `cancelMatching`. */
  removeMatching(filter: JobFilter, options?: BulkOptions, violations?: Violations): Promise<BulkResult>;
  /** Cancels a job, or requests the cancel of a RUNNING one. JOB_NOT_FOUND; JOB_STATE_CONFLICT if DONE or DEAD. */
  cancel(id: string): Promise<Job>;
  /** Cancels 1 to 1000 jobs; resolves to a job or an error of `cancel` for each, in the order of the ids. FIELD_INVALID for too many. */
  cancelEach(ids: readonly string[]): Promise<readonly JobOutcome[]>;
  /**
   * Makes a PENDING job ready now that is scheduled or waits for its retry; one that is ready stays as it is. JOB_NOT_FOUND;
   * JOB_STATE_CONFLICT in any other status.
   */
  run(id: string): Promise<Job>;
  /**
   * Changes priority, time or payload of a PENDING job. FIELD_INVALID, also when nothing is to change, or the job expires before
   * that time; JOB_NOT_FOUND; JOB_STATE_CONFLICT in any other status; QUEUE_FULL. `violations`: as of `create`.
   */
  update(id: string, changes: UpdateRequest, violations?: Violations): Promise<Job>;
  /** Deletes a job that is DONE, CANCELED or DEAD. JOB_NOT_FOUND; JOB_STATE_CONFLICT in any other status. */
  remove(id: string): Promise<void>;
}

/** Statuses that a cancel, or a deletion, allows. */
const CANCELABLE: readonly JobStatus[] = ["PENDING", "RUNNING"];
const DELETABLE: readonly JobStatus[] = ["DONE", "CANCELED", "DEAD"];

/** Dependencies of the job operations. */
export interface JobOperationsDeps {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly ids: IdGenerator;
  readonly observer: Observer;
  readonly logger: Logger;
  /** Default: nobody traces. */
  readonly tracer?: Tracer | undefined;
}

/** Creates the job operations. */
export function createJobOperations(deps: JobOperationsDeps, defaults: JobDefaults): JobOperations {
  const { backend, clock, ids, observer, tracer = noTracer } = deps;
  const log = createJobLog(deps.logger);

  async function cancel(id: string): Promise<Job> {
    checkId(id);
    const job = await backend.cancel(id);
    log.cancelled(job);
    return job;
  }

  return {
    ...createCreates({ backend, clock, ids, observer, log, tracer }, defaults),

    async get(id) {
      checkId(id);
      const [job] = await backend.get([id]);
      if (job === undefined) throw jobNotFound(id);
      return job;
    },

    getEach: (ids) => getEach(backend, ids),

    async list(query, violations = new Violations(), path = "") {
      const { order = "NEWEST", view = "FULL", pageSize, pageToken } = query;
      const filter = checkFilter(violations, query, path, { shortPath: "" });
      checkPage(violations, query);
      violations.throwIfAny();
      const queues = await queuesOf(backend, filter);
      const chosen = { ...filter.match, order, view };
      const matches = createMatcher(filter.match);
      const digest = filterDigest("list", filter, order);
      return listPages(
        backend,
        { queues, order, view, pageSize, pageToken, filter: digest },
        {
          jobs: (bounds) => backend.list({ ...chosen, ...bounds }),
          keys: (bounds) => backend.listKeys({ ...chosen, ...bounds }),
          keyOf: (job) => (matches(job) ? `${job.createdAt}-${numberOf(job.id)}` : undefined),
        },
      );
    },

    async count(given = {}, pageToken = "", violations = new Violations()) {
      const filter = checkFilter(violations, given, "filter.");
      violations.throwIfAny();
      return countMatching(backend, filter, false, pageToken);
    },

    async cancelMatching(given, options = {}, violations = new Violations()) {
      const { queues, match } = checkFilter(violations, given, "filter.", { among: CANCELABLE });
      const statuses = filled(match.statuses) ?? CANCELABLE;
      const filter = { queues, match: { ...match, statuses, cancelRequested: false } };
      const own = [...(filled(match.statuses) ? [] : (["statuses"] as const)), "cancelRequested" as const];
      const everything = "every PENDING and RUNNING job of every queue";
      return runBulk(backend, { action: "CANCEL", isDead: false, filter, own, everything }, options, violations);
    },

    async removeMatching(given, options = {}, violations = new Violations()) {
      const { queues, match } = checkFilter(violations, given, "filter.", { among: DELETABLE });
      const filter = { queues, match: { ...match, statuses: filled(match.statuses) ?? DELETABLE } };
      const own = filled(match.statuses) ? [] : (["statuses"] as const);
      const everything = "every DONE, CANCELED and DEAD job of every queue";
      return runBulk(backend, { action: "DELETE", isDead: false, filter, own, everything }, options, violations);
    },

    cancel,
    cancelEach: (ids) => changeEach(ids, cancel),

    async run(id) {
      checkId(id);
      const job = await backend.run(id);
      log.hurried(job);
      return job;
    },

    async update(id, { priority, delayMs, runAfter, payload }, violations = new Violations()) {
      violations.jobId("id", id);
      checkUpdate(violations, { priority, delayMs, runAfter, payload }, clock.now());
      violations.throwIfAny();
      const when = { delayMs: wholeMs(delayMs), runAfter: wholeMs(runAfter) };
      const job = await backend.update(id, { priority, ...when, payload });
      log.updated(job);
      return job;
    },

    async remove(id) {
      checkId(id);
      const [row] = await backend.remove([id], DELETABLE);
      if (row?.outcome === "CONFLICT") throw jobStateConflict(id, row.status, "DONE, CANCELED or DEAD");
      if (row?.outcome !== "APPLIED") throw jobNotFound(id);
    },
  };
}

/** Throws FIELD_INVALID if a text cannot be a job id. */
export function checkId(id: string): void {
  const refusal = idRefusal(id);
  if (refusal !== undefined) throw refusal;
}

function filled<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}
