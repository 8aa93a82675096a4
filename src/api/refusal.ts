import { TaskQueueError } from "../model/common/errors.js";
import type { JobUpdate, NewJob } from "../model/job/new-job.js";
import { toJobRequest, toJobRequests, toUpdateRequest } from "../model/request/job-request.js";
import { checkBatch, checkJob, checkUpdate } from "../model/request/validate.js";
import { Violations } from "../model/request/violations.js";
import { toApiError } from "./api-error.js";

/**
 * The error with which the core refuses a job to create; undefined: it does not. For what no message can carry: so that it is refused with
 * the same words before it is sent.
 */
export function refusalOfJob(job: NewJob): TaskQueueError | undefined {
  return refusalBy((violations) => checkJob(violations, toJobRequest(job, undefined), Date.now()));
}

/** The same of a batch. */
export function refusalOfJobs(jobs: readonly NewJob[]): TaskQueueError | undefined {
  return refusalBy((violations) => {
    checkBatch(violations, jobs);
    for (const [index, request] of toJobRequests(jobs, undefined).entries()) {
      violations.enter("requests", index);
      checkJob(violations, request, Date.now());
    }
  });
}

/** The same of what is to change of a job. */
export function refusalOfUpdate(id: string, changes: JobUpdate): TaskQueueError | undefined {
  return refusalBy((violations) => {
    violations.jobId("id", id);
    checkUpdate(violations, toUpdateRequest(changes), Date.now());
  });
}

function refusalBy(check: (violations: Violations) => void): TaskQueueError | undefined {
  const violations = new Violations();
  try {
    check(violations);
    violations.throwIfAny();
    return undefined;
  } catch (error) {
    if (error instanceof TaskQueueError) return toApiError(error);
    throw error;
  }
}
