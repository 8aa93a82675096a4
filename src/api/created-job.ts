import type { AnyJobs, JobTypes, TypeOf } from "../model/job/job-types.js";
import type { Job } from "./job.js";

/** What a create came to. */
export interface CreateOutcome {
  /** Whether no job was created, as there was one: with this request id, or with the unique key. */
  readonly deduplicated: boolean;
  /** Whether the job that held the unique key became what this create asks for. */
  readonly replaced: boolean;
}

/** The created job; with `deduplicated`, the one that was there: as it is now, or as it was created if it is gone already. */
export interface CreatedJob<Jobs extends JobTypes<Jobs> = AnyJobs, Type extends TypeOf<Jobs> = TypeOf<Jobs>>
  extends CreateOutcome {
  readonly job: Job<Jobs, Type>;
}

/** What became of one job of a batch. */
export interface CreatedId extends CreateOutcome {
  readonly id: string;
}
