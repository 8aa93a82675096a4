import { expect } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { Change, ChangeFilter, ChangePage } from "../../../src/core/port/changes.js";
import type { Lease, LeaseRef, LeaseRequest } from "../../../src/core/port/leases.js";
import type { ListPage } from "../../../src/core/port/listing.js";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import type { ErrorReason } from "../../../src/model/common/errors.js";
import type { Job, Payload } from "../../../src/model/job/job.js";
import { numberOf } from "../../../src/model/queue/ids.js";
import {
  DEFAULT_QUEUE_SETTINGS,
  type Queue,
  type QueueSettings,
  type QueueStats,
} from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import type { OpenedBackend } from "./harness.js";

/** Length of the leases that `lease` asks for by default, ms. */
export const LEASE_MS = 10_000;

/** More calls than any loop of a test needs. */
const MANY = 1000;

/** Creates one job per argument. Returns their ids in order. */
export async function add(backend: Backend, ...given: readonly Partial<NewJob>[]): Promise<string[]> {
  const results = await backend.enqueue(given.map((part) => newJob(part)));
  return results.map(({ id }) => id);
}

/** Creates one job and returns its id. */
export async function addOne(backend: Backend, given: Partial<NewJob> = {}): Promise<string> {
  return only(await add(backend, given));
}

/** Leases from the default queue, type `echo`, up to 1000 jobs by default. */
export function lease(backend: Backend, given: Partial<LeaseRequest> = {}): Promise<readonly Lease[]> {
  return backend.lease({
    queues: ["default"],
    types: ["echo"],
    max: 1000,
    leaseMs: LEASE_MS,
    worker: "worker-1",
    ...given,
  });
}

/** Leases the next job; there must be one. */
export async function leaseOne(backend: Backend, given: Partial<LeaseRequest> = {}): Promise<Lease> {
  return only(await lease(backend, { max: 1, ...given }));
}

/** Leases jobs and returns their ids in order. */
export async function leasedIds(backend: Backend, given: Partial<LeaseRequest> = {}): Promise<string[]> {
  return (await lease(backend, given)).map(({ job }) => job.id);
}

/** The job id and token of a lease. */
export function ref({ job, token }: Lease): LeaseRef {
  return { jobId: job.id, token };
}

/** A completion of a lease. */
export function done(given: Lease, result?: Payload) {
  return { ...ref(given), result };
}

/** A failure of a lease that is retried after the backoff, without jitter. */
export function failed(given: Lease, error = "it broke") {
  return { ...ref(given), error, retry: "DEFAULT" as const, jitter: 0 };
}

/** A failure of a lease that is never retried. */
export function fatal(given: Lease, error = "it broke for good") {
  return { ...ref(given), error, retry: "NEVER" as const, jitter: 0 };
}

/** Creates a job and lets it die. Returns its id. */
export async function addDead(backend: Backend, given: Partial<NewJob> = {}, error?: string): Promise<string> {
  const id = await addOne(backend, { type: "doomed", ...given });
  const queue = given.queue ?? "default";
  const leased = await leaseOne(backend, { queues: [queue], types: [given.type ?? "doomed"] });
  expect(leased.job.id).toBe(id);
  await backend.fail([fatal(leased, error)]);
  return id;
}

/** Creates a job and completes it. Returns its id. */
export async function addDone(backend: Backend, given: Partial<NewJob> = {}): Promise<string> {
  const id = await addOne(backend, { type: "easy", ...given });
  const queue = given.queue ?? "default";
  const leased = await leaseOne(backend, { queues: [queue], types: [given.type ?? "easy"] });
  expect(leased.job.id).toBe(id);
  await backend.complete([done(leased)]);
  return id;
}

/** Returns a job that must exist. */
export async function jobOf(backend: Backend, id: string): Promise<Job> {
  const [job] = await backend.get([id]);
  if (job === undefined) throw new Error(`job ${id} is gone`);
  return job;
}

/** Returns the statuses of jobs; "-" for one that does not exist. */
export async function statuses(backend: Backend, ids: readonly string[]): Promise<string[]> {
  return (await backend.get(ids)).map((job) => job?.status ?? "-");
}

/** Returns the figures of a queue that must exist. */
export async function statsOf(backend: Backend, name = "default"): Promise<QueueStats> {
  return (await queueOf(backend, name)).stats;
}

/** Returns a queue that must exist. */
export async function queueOf(backend: Backend, name: string): Promise<Queue> {
  return only(await backend.queues([name]));
}

/** Creates a queue with the default settings, except for those given. */
export function createQueue(backend: Backend, name: string, settings: Partial<QueueSettings> = {}): Promise<Queue> {
  return backend.createQueue(name, { ...DEFAULT_QUEUE_SETTINGS, ...settings });
}

/** Advances the time and does what is due, as the maintenance of a server does. */
export async function passTime({ backend, advance }: OpenedBackend, ms: number): Promise<void> {
  await advance(ms);
  await tickAll(backend);
}

/** Ticks until nothing more is due at once. Returns the result of each tick. */
export async function tickAll(backend: Backend) {
  for (let results = [], turn = 0; turn < MANY; turn++) {
    const result = await backend.tick();
    results.push(result);
    if (result.nextInMs === undefined || result.nextInMs > 0) return results;
  }
  throw new Error("tick asks to be called again for ever");
}

/** Returns everything in the change log after a cursor, and the last page. */
export async function readAll(backend: Backend, from: string, filter: ChangeFilter = {}, limit = 100) {
  const entries: ChangePage["entries"][number][] = [];
  for (let cursor = from, turn = 0; turn < MANY; turn++) {
    const page = await backend.read(cursor, limit, filter);
    expect(page.entries.length).toBeLessThanOrEqual(limit);
    entries.push(...page.entries);
    cursor = page.next;
    if (!page.more) return { entries, changes: entries.map(({ change }) => change), next: page.next };
  }
  throw new Error("the change log has no end");
}

/** Returns the changes of one job after a cursor. */
export async function changesOf(backend: Backend, id: string, from: string): Promise<Change[]> {
  return (await readAll(backend, from)).changes.filter((change) => change.jobId === id);
}

/** The change that shows a job as it is now. */
export function changeOf(job: Job): Change {
  const {
    id,
    payload,
    maxRetries,
    backoff,
    timeoutMs,
    metadata,
    traceContext,
    expiresAt,
    key,
    schedule,
    scheduledFor,
    unique,
    attemptErrors,
    result,
    resultDropped,
    createdAt,
    pendingState,
    heldBy,
    ...shown
  } = job;
  return { ...shown, jobId: id, deleted: false };
}

/** A job as a create answers it: without what it waits for. */
export function asCreated({ pendingState, heldBy, ...job }: Job): Job {
  return job;
}

/** The key of a job in listings. */
export function keyOf({ createdAt, id }: Job): string {
  return `${createdAt}-${numberOf(id)}`;
}

/** Returns the ids of all pages of a listing. */
export async function pages(read: (after: string | undefined) => Promise<ListPage>): Promise<string[]> {
  const ids: string[] = [];
  let after: string | undefined;
  for (let turn = 0; turn < MANY; turn++) {
    const page = await read(after);
    ids.push(...page.jobs.map(({ id }) => id));
    after = page.next;
    if (after === undefined) return ids;
  }
  throw new Error("the listing has no end");
}

/** Expects the bytes of a job to be told about right. */
export function expectAlike(bytes: number, expected: number): void {
  expect(bytes).toBeGreaterThan(expected * 0.5);
  expect(bytes).toBeLessThan(expected * 2);
}

/** Expects a call to be refused for this reason. */
export async function expectRefused(call: Promise<unknown>, reason: ErrorReason): Promise<void> {
  await expect(call).rejects.toMatchObject({ name: "TaskQueueError", reason });
}

/** Expects that `act` changes nothing visible: no change is logged, and these jobs stay as they are. */
export async function expectUntouched(backend: Backend, ids: readonly string[], act: () => Promise<void>) {
  const cursor = await backend.head();
  const before = await backend.get(ids);
  await act();
  expect(await backend.get(ids)).toEqual(before);
  expect((await readAll(backend, cursor)).changes).toEqual([]);
}

/** Expects a time that may be late by the slack of the backend. */
export function expectAbout(actual: number | undefined, expected: number, { slackMs }: OpenedBackend): void {
  expect(actual).toBeGreaterThanOrEqual(expected);
  expect(actual).toBeLessThanOrEqual(expected + slackMs);
}

/** Returns the only item of a list. */
export function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0] as T;
}
