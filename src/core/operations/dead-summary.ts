import type { DeadGroup, DeadSummary } from "../../model/job/job-filter.js";
import type { Backend } from "../backend.js";
import { passGone } from "./bulk.js";
import { type CheckedFilter, filterDigest, queuesOf } from "./filters.js";
import { walkQueues } from "./walk-queues.js";

/** Groups that are told apart while they are counted; the jobs of others are only counted. */
const MAX_GROUPS = 5000;

/** Counts dead jobs by queue, type and error; examines a bounded number of jobs. PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
export async function summarize(
  backend: Backend,
  filter: CheckedFilter,
  maxGroups: number,
  pageToken: string,
): Promise<DeadSummary> {
  const groups = new Map<string, DeadGroup>();
  const { match } = filter;
  const digest = filterDigest("summarize", filter);
  let count = 0;
  const nextPageToken = await walkQueues(await queuesOf(backend, filter), digest, pageToken, (queue, after, scan) =>
    passGone(async () => {
      const page = await backend.groupDead({ ...match, queue, isDead: true, after, scan });
      count += page.count;
      for (const group of page.groups) add(groups, { ...group, queue });
      return page;
    }),
  );
  const largest = [...groups.values()].sort(compare).slice(0, maxGroups);
  const told = largest.reduce((sum, group) => sum + group.count, 0);
  return { groups: largest, count, otherCount: count - told, hasMore: nextPageToken !== "", nextPageToken };
}

function add(groups: Map<string, DeadGroup>, group: DeadGroup): void {
  const key = JSON.stringify([group.queue, group.type, group.error]);
  const known = groups.get(key);
  if (known !== undefined) {
    const latest = group.lastDiedAt > known.lastDiedAt ? group : known;
    groups.set(key, { ...latest, count: known.count + group.count });
  } else if (groups.size < MAX_GROUPS) groups.set(key, group);
}

/** The largest first, then by name. */
function compare(a: DeadGroup, b: DeadGroup): number {
  if (a.count !== b.count) return b.count - a.count;
  const [x, y] = [a, b].map(({ queue, type, error }) => JSON.stringify([queue, type, error])) as [string, string];
  return x < y ? -1 : 1;
}
