import { serverDraining, TaskQueueError } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { type Job, payloadBytes } from "../../model/job/job.js";
import { isAutomatic } from "../../model/job/request-id.js";
import type { Tracer } from "../../model/log/tracer.js";
import type { IdGenerator } from "../../model/queue/ids.js";
import { checkBatch, checkJob, type JobRequest } from "../../model/request/validate.js";
import { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import type { Clock } from "../clock.js";
import { createNewJobs, type JobDefaults, newlyCreated } from "../new-job.js";
import type { Observer } from "../observer.js";
import type { EnqueueResult, NewJob } from "../port/new-jobs.js";
import type { JobLog } from "../work/job-log.js";
import { alone, enqueueEach } from "./enqueue-each.js";
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

/** A job of a create that decides each for itself; see `CreatedJob`. */
export interface OneCreated extends CreatedJob {
  /** Whether this very call has made it. */
  readonly isNew: boolean;
}

/** A request of a create that decides each for itself. */
export interface OneRequest {
  readonly request: JobRequest;
  /** As of `create`, of this request alone. */
  readonly violations: Violations;
}

/** Creates jobs. */
export interface Creates {
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
  /**
   * Creates each of 1 to 1000 jobs, with up to 64 MiB of payloads, that can be created, as so many calls of `create` at the same moment
   * would; resolves to a job or an error of `create` for each. FIELD_INVALID for too many, SERVER_DRAINING.
   */
  createEach(requests: readonly OneRequest[]): Promise<readonly (OneCreated | TaskQueueError)[]>;
  /** From now on, creates are refused with SERVER_DRAINING. */
  close(): void;
}

/** Dependencies of the creates. */
export interface CreatesDeps {
  readonly backend: Pick<Backend, "enqueue">;
  readonly clock: Clock;
  readonly ids: IdGenerator;
  readonly observer: Observer;
  readonly log: JobLog;
  readonly tracer: Tracer;
}

/** Creates what creates jobs. */
export function createCreates(deps: CreatesDeps, defaults: JobDefaults): Creates {
  const { backend, clock, ids, observer, log, tracer } = deps;
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

  /** Reports what was created. */
  function report(jobs: readonly NewJob[], results: readonly EnqueueResult[]): void {
    count(jobs, results);
    log.created(jobs, results);
  }

  function newJobs(requests: readonly JobRequest[], trace: ReturnType<typeof traceCreate>): NewJob[] {
    return requests.map((request, at) =>
      toNewJob(request, trace === undefined ? request.traceContext : trace.contextOf(at)),
    );
  }

  function refuseIfClosed(): void {
    if (isClosed) throw serverDraining();
  }

  function checkBytes(violations: Violations, requests: readonly JobRequest[]): void {
    const bytes = requests.reduce((sum, { payload }) => sum + payloadBytes(payload), 0);
    if (bytes > LIMITS.batchBytes) {
      violations.add("requests", `must have at most ${LIMITS.batchBytes} bytes of payloads together, has ${bytes}`);
    }
    violations.throwIfAny();
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
        throw alone(error, request.unique?.key);
      }
      const specs = [spec];
      trace?.end(results);
      report(specs, results);
      const [result] = results;
      if (result === undefined) throw new Error("the backend did not answer for the job");
      return createdJob(spec, result);
    },

    async createBatch(requests, violations = new Violations()) {
      checkBatch(violations, requests);
      const now = clock.now();
      requests.forEach((request, index) => {
        violations.enter("requests", index);
        checkJob(violations, request, now);
      });
      violations.leave();
      checkBytes(violations, requests);
      refuseIfClosed();
      const trace = traceCreate(tracer, requests);
      let jobs: readonly NewJob[];
      let results: readonly EnqueueResult[];
      try {
        jobs = newJobs(requests, trace);
        results = await backend.enqueue(jobs);
      } catch (error) {
        trace?.fail(error);
        throw error;
      }
      trace?.end(results);
      report(jobs, results);
      return results.map((result, at) => ({ id: result.id, ...outcomeOf(jobs[at] as NewJob, result) }));
    },

    async createEach(items) {
      const violations = new Violations();
      checkBatch(violations, items);
      const now = clock.now();
      const outcomes: (OneCreated | TaskQueueError)[] = new Array(items.length);
      /** The requests that are sound, and their places among all. */
      const sound: JobRequest[] = [];
      const places: number[] = [];
      items.forEach(({ request, violations: own }, place) => {
        checkJob(own, request, now);
        const refusal = own.refusal();
        if (refusal === undefined) {
          sound.push(request);
          places.push(place);
        } else outcomes[place] = refusal;
      });
      checkBytes(violations, sound);
      refuseIfClosed();
      const trace = traceCreate(tracer, sound);
      let jobs: readonly NewJob[];
      let results: readonly (EnqueueResult | TaskQueueError)[];
      try {
        jobs = newJobs(sound, trace);
        results = await enqueueEach(backend, jobs);
      } catch (error) {
        trace?.fail(error);
        throw error;
      }
      const made: NewJob[] = [];
      const created: EnqueueResult[] = [];
      results.forEach((result, at) => {
        const place = places[at] as number;
        const job = jobs[at] as NewJob;
        if (result instanceof TaskQueueError) outcomes[place] = result;
        else {
          made.push(job);
          created.push(result);
          outcomes[place] = {
            ...createdJob(job, result),
            isNew: result.existing === undefined && !result.deduplicated,
          };
        }
      });
      trace?.endEach(results);
      report(made, created);
      return outcomes;
    },

    close() {
      isClosed = true;
    },
  };
}

/** Of a job that is gone already, the answer of its create is told again. */
function createdJob(spec: NewJob, result: EnqueueResult): CreatedJob {
  return { job: result.existing ?? newlyCreated(spec, result), ...outcomeOf(spec, result) };
}

function outcomeOf({ requestId = "" }: NewJob, { deduplicated, met }: EnqueueResult): CreateOutcome {
  const isNew = !deduplicated || (met === undefined && isAutomatic(requestId));
  return { deduplicated: !isNew, replaced: met === "REPLACED" };
}
