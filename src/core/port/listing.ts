import type { Job } from "../../model/job/job.js";
import type { DeadGroup, JobView, ListOrder } from "../../model/job/job-filter.js";
import type { StoreMatch } from "../stores/job-matcher.js";

/** Which page of which jobs of a queue to read. */
export interface ListQuery extends StoreMatch {
  readonly queue: string;
  /** Default: NEWEST. */
  readonly order?: ListOrder | undefined;
  /** Default: FULL. */
  readonly view?: JobView | undefined;
  /** The key of a job, of this queue or another, listed before or not; see `JobKey`. PAGE_TOKEN_INVALID for others. */
  readonly after?: string | undefined;
  readonly limit: number;
  /** Jobs to examine at the most, up to `LIMITS.scan`, the default. It may be fewer, but not none. */
  readonly scan?: number | undefined;
  /** Bytes of jobs, by `jobBytes`, after which the page ends; its first job is let in whatever its size. Default: none. */
  readonly maxBytes?: number | undefined;
}

/** Which page of which DEAD jobs to read: `order` is by death. */
export interface ListDeadQuery extends ListQuery {
  readonly order: ListOrder;
}

/** A page of jobs. */
export interface ListPage {
  readonly jobs: readonly Job[];
  /** The key of the last job that was examined: asks for the next page. Undefined: there is none. */
  readonly next: string | undefined;
}

/** A job's place in a listing, in any queue. */
export interface JobKey {
  /**
   * `<createdAt>-<number in the id>`; among the dead the time of death stands first. Listings are ordered by these numbers, the
   * times in ms since 1970.
   */
  readonly key: string;
  /** About how many bytes the job has, by `jobBytes` or nearly so. */
  readonly bytes: number;
}

export interface KeyPage {
  readonly keys: readonly JobKey[];
  /** As of `ListPage`. */
  readonly next: string | undefined;
}

/** Which jobs of a queue to count. */
export interface CountQuery extends StoreMatch {
  readonly queue: string;
  /** Only the DEAD ones, in the order of their deaths; `after` is a key among these. */
  readonly isDead: boolean;
  /** As of `ListQuery`. */
  readonly after?: string | undefined;
  /** As of `ListQuery`. */
  readonly scan?: number | undefined;
}

export interface CountPage {
  readonly count: number;
  /** How many jobs were examined. */
  readonly examined: number;
  /** As of `ListPage`. */
  readonly next: string | undefined;
}

/** Groups of the jobs that were examined, in any order. */
export interface GroupPage extends CountPage {
  readonly groups: readonly Omit<DeadGroup, "queue">[];
}

/**
 * CANCEL: as `Backend.cancel`; a job whose cancel was requested already is not counted. DELETE: DONE, CANCELED and DEAD jobs. REPLAY:
 * as `Backend.replay`.
 */
export type BulkAction = "CANCEL" | "DELETE" | "REPLAY";
