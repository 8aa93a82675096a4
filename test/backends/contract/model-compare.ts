import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import type { Change } from "../../../src/core/port/changes.js";
import type { AttemptError, Job, JobStatus } from "../../../src/model/job/job.js";
import { numberOf } from "../../../src/model/queue/ids.js";
import type { OpenedBackend } from "./harness.js";
import { LOST, type ModelJob, type NaiveModel } from "./naive-model.js";
import { pages, readAll } from "./support.js";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Expects two answers to be equal; fast when they are. */
export function same<T>(actual: T, expected: T): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** Expects two durations to be equal within the slack of the backend. */
export function near(actual: number | undefined, expected: number, slackMs: number): void {
  if (actual === undefined || Math.abs(actual - expected) > slackMs) expect(actual).toBe(expected);
}

/** Expects a job to be as in the model. The model takes over its times where they are within the slack. */
export function compareJob(
  { slackMs }: OpenedBackend,
  model: NaiveModel,
  actual: Job,
  expected: ModelJob | undefined,
): void {
  if (expected !== undefined) align(expected.job, actual, slackMs);
  same(actual, expected && model.read(expected));
}

/**
 * Compares all jobs there ever were. The model forgets the finished and dead ones that the backend has forgotten, if it may.
 * Returns the statuses of those.
 */
export async function compareJobs(opened: OpenedBackend, model: NaiveModel): Promise<readonly JobStatus[]> {
  const jobs = await opened.backend.get(model.all.map(({ job }) => job.id));
  const forgotten = model.all.filter((expected, at) => !expected.gone && jobs[at] === undefined);
  for (const expected of forgotten) if (!model.mayForget(expected)) same(undefined, expected.job);
  for (const expected of forgotten) model.forget(expected);
  model.all.forEach((expected, at) => {
    const actual = jobs[at];
    if (expected.gone) same(actual, undefined);
    else if (actual !== undefined) compareJob(opened, model, actual, expected);
  });
  return forgotten.map(({ job }) => job.status);
}

/** Compares the settings and figures of the queues. */
export async function compareQueues(opened: OpenedBackend, model: NaiveModel): Promise<void> {
  const { backend, slackMs } = opened;
  model.now = await opened.now();
  const queues = await backend.queues();
  same(
    queues.map(({ name }) => name),
    [...model.queues.keys()].toSorted(),
  );
  for (const { name, settings, paused, stats, nextSlotAt } of queues) {
    const slotAt = model.slotAt(name);
    same(nextSlotAt, slotAt && Math.ceil(slotAt + model.setAhead));
    const { oldestReadyAgeMs, ...expected } = model.stats(name);
    same({ settings, paused }, model.queues.get(name));
    same(stats, { ...expected, oldestReadyAgeMs: stats.oldestReadyAgeMs, readyTypes: stats.readyTypes });
    // A type may be missing until the sweep that makes its jobs ready.
    same(
      stats.readyTypes,
      expected.readyTypes.filter((type) => stats.readyTypes.includes(type)),
    );
    if (oldestReadyAgeMs === undefined) same(stats.oldestReadyAgeMs, undefined);
    else near(stats.oldestReadyAgeMs, oldestReadyAgeMs, slackMs);
  }
}

/** Compares the listings of every queue. */
export async function compareListings({ backend }: OpenedBackend, model: NaiveModel): Promise<void> {
  for (const queue of model.queues.keys()) {
    const all = model.inQueue(queue, "PENDING", "RUNNING", "DONE", "DEAD", "CANCELED").map(({ job }) => job);
    const byId = all.toSorted((a, b) => (BigInt(numberOf(a.id)) < BigInt(numberOf(b.id)) ? 1 : -1));
    const newest = byId.toSorted((a, b) => b.createdAt - a.createdAt);
    for (const statuses of [[], ["PENDING"], ["DEAD", "RUNNING"], ["DONE", "CANCELED"]] as const) {
      const expected = newest.filter(({ status }) => statuses.length === 0 || statuses.some((each) => each === status));
      same(await pages((after) => backend.list({ queue, statuses, limit: 3, after })), idsOf(expected));
      const mails = expected.filter(({ type }) => type === "mail");
      same(await pages((after) => backend.list({ queue, statuses, types: ["mail"], limit: 2, after })), idsOf(mails));
    }
    const waits = newest.filter(({ status }) => status === "PENDING");
    for (const pendingStates of [["READY"], ["SCHEDULED", "RETRYING"], ["LIMITED"]] as const) {
      const expected = waits.filter(({ id }) => pendingStates.some((each) => each === model.pendingStateOf(id)));
      same(await pages((after) => backend.list({ queue, pendingStates, limit: 3, after })), idsOf(expected));
    }
    const byDeath = byId
      .filter(({ status }) => status === "DEAD")
      .toSorted((a, b) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0));
    for (const order of ["NEWEST", "OLDEST"] as const) {
      const listed = await pages((after) => backend.listDead({ queue, limit: 2, order, after }));
      same(listed, idsOf(order === "NEWEST" ? byDeath : byDeath.toReversed()));
    }
  }
}

/**
 * Compares the change log from this cursor on with the histories of all jobs, and what the listener heard with the log.
 */
export async function compareLog(opened: OpenedBackend, model: NaiveModel, start: string): Promise<void> {
  const { changes } = await readAll(opened.backend, start);
  for (const { job, history } of model.all) {
    const logged = changes.filter(({ jobId }) => jobId === job.id);
    same(
      logged.map(({ revision }) => revision),
      history.map((_, at) => at + 1),
    );
    logged.forEach((change, at) => {
      const expected: Mutable<Change> | undefined = history[at] && { ...history[at] };
      if (expected !== undefined) align(expected, change, opened.slackMs);
      same(change, expected);
    });
  }
  same(
    changes.length,
    model.all.map(({ history }) => history.length).reduce((sum, length) => sum + length, 0),
  );
  await opened.settled();
  // Each queue has an order of its own. Changes of two queues at the same time may be heard in either order.
  for (const queue of model.queues.keys()) {
    const ofQueue = (change: Change) => change.queue === queue;
    same(opened.heard.changesHeard.filter(ofQueue), changes.filter(ofQueue));
  }
  same(opened.heard.changesHeard.length, changes.length);
}

const TIMES = ["createdAt", "updatedAt", "runAfter", "startedAt", "finishedAt"] as const;

/** Takes over what the model cannot know: times within the slack, and the error text of a lost lease. */
function align(expected: Mutable<Partial<Job>>, actual: Partial<Job>, slackMs: number): void {
  for (const field of TIMES) expected[field] = within(actual[field], expected[field], slackMs);
  if (isLost(expected.error, actual.error)) expected.error = actual.error;
  expected.attemptErrors = expected.attemptErrors?.map((entry, at): AttemptError => {
    const other = actual.attemptErrors?.[at];
    if (other === undefined) return entry;
    const error = isLost(entry.error, other.error) ? other.error : entry.error;
    return { ...entry, error, at: within(other.at, entry.at, slackMs) };
  });
}

function within<T extends number | undefined>(actual: T, expected: T, slackMs: number): T {
  if (actual === undefined || expected === undefined) return expected;
  return actual >= expected && actual <= expected + slackMs ? actual : expected;
}

function isLost(expected: string | undefined, actual: string | undefined): boolean {
  return expected === LOST && actual !== undefined && /lease/.test(actual);
}

function idsOf(jobs: readonly Job[]): string[] {
  return jobs.map(({ id }) => id);
}
