import type { DeadJobGroup } from "../../../gen/gotaskq/v1/dlq_service_pb.js";
import { api } from "./api.js";
import { count, countOf } from "./format.js";

/** Groups that are read: a page of more would say little, and queue, type and error narrow them down. */
const MAX_GROUPS = 1000;

/** Calls for one reading: each counts about 100,000 jobs. */
const MAX_CALLS = 20;

/** Selects dead jobs. An empty field matches all. */
export interface DeadFilter {
  readonly queue: string;
  readonly type: string;
  readonly errorContains: string;
  /** Only this group: an error with numbers and ids taken out. */
  readonly errorGroup?: string | undefined;
}

/** The dead jobs that match, as the server counts them. */
export interface DeadCounts {
  /** The largest first. */
  readonly groups: readonly DeadJobGroup[];
  readonly count: number;
  /** How many of these are in none of the groups. */
  readonly otherCount: number;
  /** Whether there are more than were counted. */
  readonly isCut: boolean;
}

/** A text that tells a group from the others. */
export function keyOf({ queue, type, error }: Pick<DeadJobGroup, "queue" | "type" | "error">): string {
  return JSON.stringify([queue, type, error]);
}

/** The filter of exactly the jobs of a group that match `filter`. */
export function filterOf({ queue, type, error }: DeadJobGroup, { errorContains }: DeadFilter): DeadFilter {
  return { queue, type, errorContains, errorGroup: error };
}

/** Counts the dead jobs that match, by group. */
export async function readDeadCounts(filter: DeadFilter, signal: AbortSignal): Promise<DeadCounts> {
  const groups = new Map<string, DeadJobGroup>();
  let total = 0;
  let otherCount = 0;
  let pageToken = "";
  for (let calls = 0; calls < MAX_CALLS; calls++) {
    const request = { filter, maxGroups: MAX_GROUPS, pageToken };
    const answer = await api.dlq.summarizeDeadJobs(request, { signal });
    total += answer.count;
    otherCount += answer.otherCount;
    for (const group of answer.groups) {
      const key = keyOf(group);
      const known = groups.get(key);
      groups.set(key, known === undefined ? group : { ...known, count: known.count + group.count });
    }
    pageToken = answer.nextPageToken;
    if (pageToken === "") break;
  }
  const sorted = [...groups.values()].sort((a, b) => b.count - a.count || (keyOf(a) < keyOf(b) ? -1 : 1));
  const rest = sorted.slice(MAX_GROUPS).reduce((sum, group) => sum + group.count, 0);
  return { groups: sorted.slice(0, MAX_GROUPS), count: total, otherCount: otherCount + rest, isCut: pageToken !== "" };
}

/** Says how many dead jobs there are, in how many groups. */
export function describeCounts({ groups, count: total, otherCount, isCut }: DeadCounts): string {
  const jobs = isCut ? `More than ${count(total)} dead jobs` : countOf(total, "dead job");
  const others = otherCount > 0 ? `, and ${countOf(otherCount, "job")} in smaller ones` : "";
  return `${jobs} in ${countOf(groups.length, "group")}${others}`;
}
