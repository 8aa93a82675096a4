import type { Job } from "../../model/job.js";
import type { Change } from "../backend.js";

/** A watcher that was sent nothing for this long gets a heartbeat, ms. */
export const HEARTBEAT_MS = 15_000;

/** Delay before an unreachable backend is asked again, ms. Watches survive its absence. */
export const AWAY_MS = 1000;

/** A message of a watch: a heartbeat, or an event. `at` is in ms since 1970. */
export type WatchEvent<T> = { readonly kind: "heartbeat"; readonly at: number } | ({ readonly kind: "event" } & T);

/** A message of a watch of one job. */
export type JobEvent = WatchEvent<{ readonly job: Job }>;

/** A message of `watchJobs`; `cursor` is the position in the change log after it. */
export type JobsEvent = WatchEvent<{ readonly change: Change }> & { readonly cursor: string };
