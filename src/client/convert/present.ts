import type { Job as JobPb } from "../../../gen/gotaskq/v1/job_pb.js";
import type { Job } from "../../api/job.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { fromJob } from "./job.js";

/** Returns the job of a response. Throws INTERNAL when the server left it out. */
export function presentJob(job: JobPb | undefined): Job {
  if (job === undefined) throw new TaskQueueError("INTERNAL", "the server answered without the job");
  return fromJob(job);
}
