import { pageTokenInvalid } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import type { BulkOptions, BulkResult, JobFilter } from "../../model/job/job-filter.js";
import type { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import type { BulkAction, CountPage } from "../port/listing.js";
import type { StoreMatch } from "../stores/job-matcher.js";
import { ownTurn } from "../turns/own-turn.js";
import { type CheckedFilter, filterDigest, isEmpty, queuesOf } from "./filters.js";
import { createMergedKeys } from "./merged-keys.js";
import { readPagePosition, writePageToken } from "./page-token.js";
import { fitting, keysOf } from "./paging.js";
import { walkQueues } from "./walk-queues.js";

/** Jobs that are changed in one step: some ms of the event loop, or of Redis. */
const ACT_PART = 150;

/** Reads of keys after which a call stops: each examines some thousand jobs, up to about `LIMITS.scan`. */
const MAX_READS = 20;

/** What a bulk operation does to which jobs. */
export interface Bulk {
  readonly action: BulkAction;
  /** Whether it takes the DEAD jobs in the order of their deaths; otherwise jobs in the order of their creation. */
  readonly isDead: boolean;
  readonly filter: CheckedFilter;
  /** Names of the fields of `filter.match` that the operation itself has set. */
  readonly own: readonly (keyof JobFilter | keyof StoreMatch)[];
  /** What an empty filter would take: the rest of the sentence that refuses it. */
  readonly everything: string;
}

/** Where a call goes on: behind this key, with the jobs that were there when the first call began. */
type Position = readonly [key: string, until: number];

/**
 * Changes the jobs that match, the oldest over all queues first, or counts them; a bounded number. Jobs that are created, or die, after the
 * first call began are not touched. FIELD_INVALID for an empty filter without `all`, and for `all` with another; PAGE_TOKEN_INVALID;
 * QUEUE_NOT_FOUND.
 */
export async function runBulk(
  backend: Backend,
  bulk: Bulk,
  { max = 0, dryRun = false, all = false, pageToken = "" }: BulkOptions,
  violations: Violations,
): Promise<BulkResult> {
  checkScope(violations, bulk, all);
  violations.integer("max", max, 0, 2 ** 31 - 1);
  violations.throwIfAny();
  if (dryRun) {
    const counted = await countMatching(backend, bulk.filter, bulk.isDead, pageToken);
    const isOver = max > 0 && counted.count >= max;
    return isOver ? { count: max, hasMore: counted.count > max || counted.hasMore, nextPageToken: "" } : counted;
  }
  return change(backend, bulk, Math.min(max || LIMITS.bulk, LIMITS.bulk), pageToken);
}

async function change(
  backend: Backend,
  { action, isDead, filter }: Bulk,
  limit: number,
  pageToken: string,
): Promise<BulkResult> {
  const digest = filterDigest(action, filter);
  const [after, until] = pageToken === "" ? [undefined, (await backend.now()) + 1] : readPosition(digest, pageToken);
  const { match } = filter;
  const { createdBefore = until, finishedBefore = until } = match;
  const bounded = isDead
    ? { ...match, finishedBefore: Math.min(finishedBefore, until) }
    : { ...match, createdBefore: Math.min(createdBefore, until) };
  const read = createMergedKeys({
    queues: await queuesOf(backend, filter),
    order: "OLDEST",
    after,
    read(bounds) {
      const query = { ...bounded, ...bounds, order: "OLDEST" } as const;
      return keysOf(undefined, () => (isDead ? backend.listDeadKeys(query) : backend.listKeys(query)));
    },
  });
  let count = 0;
  for (let reads = 1; ; reads++) {
    const { places, next } = await read(Math.min(LIMITS.pageSize, limit - count));
    for (let rest = places; rest.length > 0; ) {
      const part = fitting(rest).slice(0, ACT_PART);
      count += await backend.act(
        action,
        part.map(({ id }) => id),
        bounded,
      );
      rest = rest.slice(part.length);
      await ownTurn();
    }
    if (next === undefined) return { count, hasMore: false, nextPageToken: "" };
    if (count >= limit || reads >= MAX_READS) {
      return { count, hasMore: true, nextPageToken: writePageToken(digest, JSON.stringify([next, until])) };
    }
  }
}

function readPosition(digest: string, token: string): Position {
  const position = readPagePosition(digest, token);
  if (!Array.isArray(position) || typeof position[0] !== "string" || !Number.isFinite(position[1])) {
    throw pageTokenInvalid();
  }
  return position as unknown as Position;
}

/** Counts the jobs that match; examines a bounded number of jobs. PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
export async function countMatching(
  backend: Backend,
  filter: CheckedFilter,
  isDead: boolean,
  pageToken: string,
): Promise<BulkResult> {
  const digest = filterDigest(isDead ? "count dead" : "count", filter);
  let count = 0;
  const nextPageToken = await walkQueues(await queuesOf(backend, filter), digest, pageToken, (queue, after, scan) =>
    passGone(async () => {
      const page = await backend.count({ ...filter.match, queue, isDead, after, scan });
      count += page.count;
      return page;
    }),
  );
  return { count, hasMore: nextPageToken !== "", nextPageToken };
}

/** A queue may have been deleted since the names were read: it has no jobs. */
export async function passGone<P extends Omit<CountPage, "count">>(read: () => Promise<P>) {
  let page: Omit<CountPage, "count"> = { examined: 0, next: undefined };
  await keysOf(undefined, async () => {
    page = await read();
    return { keys: [], next: undefined };
  });
  return page;
}

/** Refuses to take every job of every queue unless just that was said. */
function checkScope(violations: Violations, { filter, own, everything }: Bulk, all: boolean): void {
  // A field that was given and is bad is named already: it makes no empty filter.
  const isBad = violations.list.some(({ field }) => field.startsWith("filter."));
  const isAll = !isBad && isEmpty(filter, own);
  if (isAll && !all) violations.add("filter", `is empty: set \`all: true\` to take ${everything}`);
  if (!isAll && all) violations.add("all", "cannot be set together with a filter");
}
