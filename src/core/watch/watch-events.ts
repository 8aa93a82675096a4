import type { Job } from "../../model/job.js";
import type { Change } from "../backend.js";

/** A heartbeat goes out after this much silence, ms. */
export const HEARTBEAT_MS = 15_000;

/** Wait before a backend that is away is asked again, ms. Watches outlive it. */
export const AWAY_MS = 1000;

/** One message of a watch: a heartbeat, or something new. */
export type WatchEvent<T> = { readonly kind: "heartbeat"; readonly at: number } | ({ readonly kind: "event" } & T);

/** A message of a watch of one job. */
export type JobEvent = WatchEvent<{ readonly job: Job }>;

/** A message of `watchJobs`: `cursor` is the position after it. */
export type JobsEvent = WatchEvent<{ readonly change: Change }> & { readonly cursor: string };
