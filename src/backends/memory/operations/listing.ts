import type {
  CountPage,
  CountQuery,
  GroupPage,
  JobKey,
  KeyPage,
  ListDeadQuery,
  ListPage,
  ListQuery,
} from "../../../core/port/listing.js";
import { createMatcher, isCostly, type StoreMatch } from "../../../core/stores/job-matcher.js";
import { pageTokenInvalid } from "../../../model/common/errors.js";
import { LIMITS } from "../../../model/common/limits.js";
import { type Job, jobBytes } from "../../../model/job/job.js";
import type { ListOrder } from "../../../model/job/job-filter.js";
import { compareNumbers, numberOf, queueOf } from "../../../model/queue/ids.js";
import type { JobStore } from "../job-store.js";
import { pendingStatesOf, toReadJob } from "../pending.js";
import { compareCreation, type QueuedJob, type QueueState } from "../queue-state.js";
import { groupsOf } from "./dead-groups.js";

/** Jobs that one call examines at the most when each takes long, and for a count: some ms of the event loop. */
const COSTLY_SCAN = 1000;
const COUNT_SCAN = 5000;

/** Jobs that are gone which one call passes over at the most, beside those that it examines. */
const GONE_SCAN = 20_000;

/** One page of a queue by creation. */
export function list(store: JobStore, query: ListQuery): ListPage {
  return jobsOf(readPage(store, query, false), query);
}

/** The keys of `list`. */
export function listKeys(store: JobStore, query: ListQuery): KeyPage {
  return keysOf(readPage(store, query, false));
}

/** One page of a queue's dead jobs by time of death. */
export function listDead(store: JobStore, query: ListDeadQuery): ListPage {
  return jobsOf(readPage(store, query, true), query);
}

/** The keys of `listDead`. */
export function listDeadKeys(store: JobStore, query: ListDeadQuery): KeyPage {
  return keysOf(readPage(store, query, true));
}

/** Counts what matches. */
export function count(store: JobStore, query: CountQuery): CountPage {
  const { found, examined, next } = examine(store, query);
  return { count: found.length, examined, next };
}

/** Counts what matches by group. */
export function groupDead(store: JobStore, query: CountQuery): GroupPage {
  const scan = Math.min(query.scan ?? COSTLY_SCAN, COSTLY_SCAN);
  const { found, examined, next } = examine(store, { ...query, isDead: true, scan });
  return { groups: groupsOf(found), count: found.length, examined, next };
}

/** A place in a listing. `at`: when the job was created, or died. It is not live when the job is gone, or dead no more. */
interface Entry {
  readonly record: QueuedJob;
  readonly at: number;
  readonly live: boolean;
}

/** The jobs to examine, in order. */
function* entries(store: JobStore, query: ListQuery, isDead: boolean): Generator<Entry> {
  const queue = store.queue(query.queue);
  store.promote(queue, store.moment());
  const order = query.order ?? "NEWEST";
  const after = query.after === undefined ? undefined : parseKey(query.after);
  const ids = query.ids ?? [];
  if (ids.length > 0) {
    yield* named(queue, query, isDead, after);
    return;
  }
  const start = startOf(query, isDead, order, after);
  if (isDead) yield* queue.deadLetters.list(order, start);
  else
    for (const record of created(queue, query, order, start))
      yield { record, at: record.createdAt, live: !record.isGone };
}

/** The jobs of these ids, in order. */
function named(queue: QueueState, query: ListQuery, isDead: boolean, after: Key | undefined): Entry[] {
  const sign = query.order === "OLDEST" ? 1 : -1;
  const found = [...new Set(query.ids)].flatMap((id): Entry[] => {
    const record = queueOf(id) === queue.name ? queue.jobs.get(numberOf(id)) : undefined;
    if (record === undefined || (isDead && record.status !== "DEAD")) return [];
    return [{ record, at: isDead ? (record.finishedAt ?? 0) : record.createdAt, live: true }];
  });
  const compare = (a: Entry, b: Entry) => sign * (a.at - b.at || compareNumbers(a.record.number, b.record.number));
  const isAfter = ({ record, at }: Entry) =>
    after === undefined || sign * (at - after.at || compareNumbers(record.number, after.number)) > 0;
  return found.filter(isAfter).sort(compare);
}

/** Where the listing begins: behind the last one, or at the bound of the times wanted. */
function startOf(query: StoreMatch, isDead: boolean, order: ListOrder, after: Key | undefined): Key | undefined {
  if (after !== undefined) return after;
  const { createdAfter, createdBefore, finishedAfter, finishedBefore } = query;
  const [from, to] = isDead ? [finishedAfter, finishedBefore] : [createdAfter, createdBefore];
  if (order === "NEWEST") return to === undefined ? undefined : { at: to, number: "" };
  return from === undefined ? undefined : { at: from, number: "" };
}

/** Jobs by creation: all, or only those among which all are that are wanted, when they are few. */
function created(queue: QueueState, match: StoreMatch, order: ListOrder, start: Key | undefined): Iterable<QueuedJob> {
  const last = start && { createdAt: start.at, number: start.number };
  const isBehind = (record: QueuedJob) => {
    if (last === undefined) return true;
    const compared = compareCreation(record, last);
    return order === "NEWEST" ? compared < 0 : compared > 0;
  };
  const few = fewOf(queue, match)?.filter(isBehind);
  if (few !== undefined) return few.sort((a, b) => (order === "NEWEST" ? -1 : 1) * compareCreation(a, b));
  if (order === "NEWEST") return queue.all.descending(start === undefined ? undefined : isBehind);
  return queue.all.ascending(start === undefined ? undefined : (record) => !isBehind(record));
}

/** The RUNNING and DEAD jobs, or those that wait for their time, when no others are wanted and they are few. */
function fewOf(queue: QueueState, { statuses = [], pendingStates = [] }: StoreMatch): QueuedJob[] | undefined {
  if (pendingStates.length > 0 && pendingStates.every((state) => state === "SCHEDULED" || state === "RETRYING")) {
    return queue.waitingUpTo(LIMITS.scan);
  }
  const isFew = statuses.length > 0 && statuses.every((status) => status === "RUNNING" || status === "DEAD");
  if (!isFew || queue.running.size + queue.deadLetters.size > LIMITS.scan) return undefined;
  return [...queue.running, ...queue.deadLetters.records()];
}

/** Whether a job, and all behind it, are out of the times wanted. */
function isOver({ at }: Entry, query: ListQuery, isDead: boolean): boolean {
  const { createdAfter, createdBefore, finishedAfter, finishedBefore } = query;
  const [from, to] = isDead ? [finishedAfter, finishedBefore] : [createdAfter, createdBefore];
  return query.order === "OLDEST" ? to !== undefined && at >= to : from !== undefined && at < from;
}

interface Key {
  readonly at: number;
  readonly number: string;
}

/** Takes the key of a job apart; PAGE_TOKEN_INVALID for what is none. */
function parseKey(key: string): Key {
  const match = /^(\d{1,16})-(\d{1,20})$/.exec(key);
  if (match === null) throw pageTokenInvalid();
  return { at: Number(match[1]), number: match[2] as string };
}

/** What a page has. */
interface Found {
  readonly found: readonly (JobKey & { readonly job: Job })[];
  readonly next: string | undefined;
}

function jobsOf({ found, next }: Found, { view }: ListQuery): ListPage {
  return { jobs: found.map(({ job }) => (view === "BASIC" ? basic(job) : job)), next };
}

function keysOf({ found, next }: Found): KeyPage {
  return { keys: found.map(({ key, bytes }) => ({ key, bytes })), next };
}

/** The job without its payload and result. */
export function basic(job: Job): Job {
  return { ...job, payload: undefined, result: undefined };
}

function scanOf(query: StoreMatch & { readonly scan?: number | undefined }): number {
  const { scan = LIMITS.scan } = query;
  return isCostly(query) ? Math.min(scan, COSTLY_SCAN) : scan;
}

/** The jobs of a listing that are there, in order, with their keys; `gone` when many have gone and the page should end. */
function* present(
  store: JobStore,
  query: ListQuery,
  isDead: boolean,
): Generator<{ readonly record: QueuedJob; readonly at: number; readonly key: string; readonly gone?: boolean }> {
  let gone = 0;
  for (const entry of entries(store, query, isDead)) {
    if (isOver(entry, query, isDead)) return;
    const { record, at, live } = entry;
    const key = `${at}-${record.number}`;
    if (live) yield { record, at, key };
    else if (++gone === GONE_SCAN) {
      yield { record, at, key, gone: true };
      return;
    }
  }
}

function readPage(store: JobStore, query: ListQuery, isDead: boolean): Found {
  const { limit, maxBytes = Number.POSITIVE_INFINITY } = query;
  const matches = createMatcher(query, pendingStatesOf(store));
  const scan = scanOf(query);
  const found: (JobKey & { readonly job: Job })[] = [];
  let examined = 0;
  let total = 0;
  let next: string | undefined;
  for (const { record, key, gone } of present(store, query, isDead)) {
    if (gone) return { found, next: key };
    // The page is full, or enough was examined, and there is one more job: so there is a next page.
    if (found.length === limit || examined === scan) return { found, next };
    if (matches(record)) {
      const job = toReadJob(store, record);
      const bytes = jobBytes(query.view === "BASIC" ? basic(job) : job);
      total += bytes;
      if (total > maxBytes && found.length > 0) return { found, next };
      found.push({ key, bytes, job });
    }
    examined++;
    next = key;
  }
  return { found, next: undefined };
}

function examine(
  store: JobStore,
  query: CountQuery,
): { found: { record: QueuedJob; at: number }[]; examined: number; next: string | undefined } {
  const matches = createMatcher(query, pendingStatesOf(store));
  const listed = { ...query, limit: Number.POSITIVE_INFINITY };
  const scan = Math.min(scanOf(query), COUNT_SCAN);
  const found: { record: QueuedJob; at: number }[] = [];
  let examined = 0;
  let next: string | undefined;
  for (const { record, at, key, gone } of present(store, listed, query.isDead)) {
    if (gone) return { found, examined, next: key };
    if (examined === scan) return { found, examined, next };
    if (matches(record)) found.push({ record, at });
    examined++;
    next = key;
  }
  return { found, examined, next: undefined };
}
