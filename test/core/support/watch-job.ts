import type { WatchEvent } from "../../../src/core/watch/watch-events.js";
import type { Job } from "../../../src/model/job/job.js";
import { settle } from "../../support/fake-clock.js";
import { type Collected, collect } from "./async.js";
import { type Fixture, type FixtureOptions, running } from "./fixture.js";
import { ManualHandler } from "./manual-handler.js";

/** A message of a watch of one job. */
export type JobEvent = WatchEvent<{ readonly job: Job }>;

/** Creates a signal that is never aborted. */
export const never = (): AbortSignal => new AbortController().signal;

/** The states among the events, in short: status and revision. */
export function states(events: readonly JobEvent[]): string[] {
  return jobs(events).map(({ status, revision }) => `${status} ${revision}`);
}

/** The jobs among the events. */
export function jobs(events: readonly JobEvent[]): Job[] {
  return events.flatMap((event) => (event.kind === "event" ? [event.job] : []));
}

/** How many of the events are heartbeats. */
export function heartbeats(events: readonly JobEvent[]): number {
  return events.filter(({ kind }) => kind === "heartbeat").length;
}

/** Reads a watch of a job, from now on. */
export async function watch(fixture: Fixture, id: string, signal = never()): Promise<Collected<JobEvent>> {
  const seen = collect(fixture.engine.watches.watchJob(id, signal));
  await settle();
  return seen;
}

/** Creates a manual handler, and a job that it runs. */
export async function oneRunning(options?: FixtureOptions) {
  const manual = new ManualHandler();
  const fixture = await running(manual.handler, options);
  return { manual, fixture, id: await fixture.create() };
}
