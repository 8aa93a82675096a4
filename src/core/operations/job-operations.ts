import {
  jobExists,
  jobNotFound,
  jobStateConflict,
  requestIdReused,
  serverDraining,
  TaskQueueError,
} from "../../model/errors.js";
import { type IdGenerator, numberOf } from "../../model/ids.js";
import { type Job, type JobStatus, payloadBytes } from "../../model/job.js";
import type { BulkOptions, BulkResult, JobFilter, JobQuery } from "../../model/job-filter.js";
import { LIMITS } from "../../model/limits.js";
import type { Logger } from "../../model/logger.js";
import { isAutomatic } from "../../model/request-id.js";
import { noTracer, type Tracer } from "../../model/tracer.js";
import { checkJob, checkUpdate, type JobRequest, type UpdateRequest } from "../../model/validate.js";
import { Violations } from "../../model/violations.js";
import type { Backend } from "../backend.js";
import type { Clock } from "../clock.js";
import { createNewJobs, type JobDefaults, newlyCreated, wholeMs } from "../new-job.js";
import type { Observer } from "../observer.js";
import type { EnqueueResult, NewJob } from "../port/new-jobs.js";
import { createMatcher } from "../stores/job-matcher.js";
import { createJobLog } from "../work/job-log.js";
import { countMatching, runBulk } from "./bulk.js";
import { checkFilter, checkPage, filterDigest, queuesOf } from "./filters.js";
import { type JobPage, listPages } from "./paging.js";
import { traceCreate } from "./traced-create.js";

/**
 * The created job; with `deduplicated`, the job that the same request id had created before, or that holds the unique key: as it
 * is now, or as it was created if it is gone already.
 */
export interface CreatedJob extends CreateOutcome {
  readonly job: Job;
}

/** What a create came to. */
export interface CreateOutcome {
  /** Whether no job was created. With a request id that a client made by itself: whether the call that it repeats created none. */
  readonly deduplicated: boolean;
  /** Whether the job that held the unique key became what this create asks for. */
  readonly replaced: boolean;
}

/** Creates, reads, lists, cancels and deletes jobs. */
export interface JobOperations {
  /**
   * Creates one job. FIELD_INVALID, REQUEST_ID_REUSED, JOB_EXISTS, QUEUE_NOT_FOUND, QUEUE_FULL, SERVER_DRAINING. `violations` may contain
   * invalid fields found earlier, for instance while decoding the request: they are reported together.
   */
  create(request: JobRequest, violations?: Violations): Promise<CreatedJob>;
  /**
   * Creates 1 to 1000 jobs, with up to 64 MiB of payloads; an error that refuses one refuses all. Results are in the order of the
   * requests.
   */
  createBatch(
    requests: readonly JobRequest[],
    violations?: Violations,
  ): Promise<readonly ({ readonly id: string } & CreateOutcome)[]>;
  /** JOB_NOT_FOUND. */
  get(id: string): Promise<Job>;
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
  /** From now on, creates are refused with SERVER_DRAINING. */
  close(): void;
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
  const toNewJob = createNewJobs(ids, defaults);
  let isClosed = false;

  /** Reports created jobs to the observer, in one call for consecutive jobs of the same queue and type. */
  function count(jobs: readonly NewJob[], results: readonly EnqueueResult[]): void {
    let from = 0;
    while (from < jobs.length) {
      const { queue, type } = jobs[from] as NewJob;
      let created = 0;
      let at = from;
      for (; at < jobs.length && jobs[at]?.type === type && jobs[at]?.queue === queue; at++) {
        if (results[at]?.deduplicated === false) created++;
      }
      if (created > 0) observer.enqueued(queue, type, created);
      from = at;
    }
  }

  function refuseIfClosed(): void {
    if (isClosed) throw serverDraining();
  }

  return {
    async create(request, violations = new Violations()) {
      checkJob(violations, request, clock.now());
      violations.throwIfAny();
      refuseIfClosed();
      const trace = traceCreate(tracer, [request]);
      let spec: NewJob;
      let results: readonly EnqueueResult[];
      try {
        spec = toNewJob(request, trace === undefined ? request.traceContext : trace.contextOf(0));
        results = await backend.enqueue([spec]);
      } catch (error) {
        trace?.fail(error);
        throw alone(error, request);
      }
      const specs = [spec];
      trace?.end(results);
      count(specs, results);
      log.created(specs, results);
      const [result] = results;
      if (result === undefined) throw new Error("the backend did not answer for the job");
      // Of a job that is gone already, the answer of its create is told again.
      return { job: result.existing ?? newlyCreated(spec, result), ...outcomeOf(spec, result) };
    },

    async createBatch(requests, violations = new Violations()) {
      if (requests.length === 0 || requests.length > LIMITS.batch) {
        violations.add("requests", `must have 1 to ${LIMITS.batch} jobs, has ${requests.length}`);
        violations.throwIfAny();
      }
      const now = clock.now();
      requests.forEach((request, index) => {
        violations.enter("requests", index);
        checkJob(violations, request, now);
      });
      violations.leave();
      const bytes = requests.reduce((sum, { payload }) => sum + payloadBytes(payload), 0);
      if (bytes > LIMITS.batchBytes) {
        violations.add("requests", `must have at most ${LIMITS.batchBytes} bytes of payloads together, has ${bytes}`);
      }
      violations.throwIfAny();
      refuseIfClosed();
      const trace = traceCreate(tracer, requests);
      let jobs: readonly NewJob[];
      let results: readonly EnqueueResult[];
      try {
        jobs = requests.map((request, at) =>
          toNewJob(request, trace === undefined ? request.traceContext : trace.contextOf(at)),
        );
        results = await backend.enqueue(jobs);
      } catch (error) {
        trace?.fail(error);
        throw error;
      }
      trace?.end(results);
      count(jobs, results);
      log.created(jobs, results);
      return results.map((result, at) => ({ id: result.id, ...outcomeOf(jobs[at] as NewJob, result) }));
    },

    async get(id) {
      checkId(id);
      const [job] = await backend.get([id]);
      if (job === undefined) throw jobNotFound(id);
      return job;
    },

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

    async cancel(id) {
      checkId(id);
      const job = await backend.cancel(id);
      log.cancelled(job);
      return job;
    },

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

    close() {
      isClosed = true;
    },
  };
}

function outcomeOf({ requestId = "" }: NewJob, { deduplicated, met }: EnqueueResult): CreateOutcome {
  const isNew = !deduplicated || (met === undefined && isAutomatic(requestId));
  return { deduplicated: !isNew, replaced: met === "REPLACED" };
}

/** The error of a create of one job, which names no place in a batch. */
function alone(error: unknown, { unique }: JobRequest): unknown {
  if (!(error instanceof TaskQueueError)) return error;
  if (error.reason === "REQUEST_ID_REUSED") return requestIdReused();
  if (error.reason === "JOB_EXISTS") return jobExists(unique?.key ?? "", error.metadata.job_id);
  return error;
}

/** Throws FIELD_INVALID if a text cannot be a job id. */
export function checkId(id: string): void {
  const violations = new Violations();
  violations.jobId("id", id);
  violations.throwIfAny();
}

function filled<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}
