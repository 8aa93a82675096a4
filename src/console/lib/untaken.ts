import { LIMITS } from "../../model/common/limits.js";
import { takenBy } from "../../model/queue/taken.js";
import { api } from "./api.js";
import { count, countOf } from "./format.js";
import { queues } from "./queues.js";
import { isShared } from "./server-info.js";
import { useLoaded } from "./use-loaded.js";
import { listWorkers, type Workers } from "./workers.js";

/** How often it is looked whether waiting jobs have a worker, ms. */
const EVERY_MS = 5000;

/** Types that a sentence names. */
const MAX_NAMED = 3;

/** What is known of the types that wait in a queue. */
export interface Untaken {
  /** Says which of them no worker takes, and what was not looked at. */
  readonly text: string;
  /** Whether there is one that no worker takes; otherwise the text only says what was not looked at. */
  readonly hasUntaken: boolean;
}

/** The types of the ready jobs of each queue that has some, as far as the server names them. */
function readyTypes(): ReadonlyMap<string, readonly string[]> {
  const found = (queues.peek() ?? []).map(({ name, stats }) => [name, stats?.readyTypes ?? []] as const);
  return new Map(found.filter(([, types]) => types.length > 0));
}

/** Says what is to be said of types that wait, by the name of their queue. Queues where each is taken are left out. */
async function findUntaken(
  waiting: ReadonlyMap<string, readonly string[]>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Untaken>> {
  const found = new Map<string, Untaken>();
  if (waiting.size === 0) return found;
  // Read after the types: a worker that came for them is among those that are read.
  const workers = await listWorkers(signal);
  const isTaken = takenBy(workers.list);
  let nobody: string | undefined;
  for (const [queue, types] of waiting) {
    const untaken = types.filter((type) => !isTaken(queue, type));
    const parts: string[] = [];
    if (untaken.length > 0) {
      nobody ??= await nobodyOf(workers, signal);
      parts.push(`${nobody} takes ${name(untaken)} from this queue.`);
    }
    if (types.length >= LIMITS.readyTypes) {
      parts.push(`Only the first ${LIMITS.readyTypes} types of its ready jobs were looked at.`);
    }
    if (parts.length > 0) found.set(queue, { text: parts.join(" "), hasUntaken: untaken.length > 0 });
  }
  return found;
}

/** "No worker", with what is not known: workers that were not read, and those of other servers on the same store. */
async function nobodyOf({ list, hasMore }: Workers, signal: AbortSignal): Promise<string> {
  const known = isShared(await api.server.getServerInfo({}, { signal })) ? " known to this server" : "";
  return hasMore ? `None of the first ${count(list.length)} workers${known}` : `No worker${known}`;
}

/** "type a", "types a, b, c and 2 more types". */
function name(types: readonly string[]): string {
  const more = types.length - MAX_NAMED;
  const named = types.slice(0, MAX_NAMED).join(", ");
  return `type${types.length === 1 ? "" : "s"} ${named}${more > 0 ? ` and ${countOf(more, "more type")}` : ""}`;
}

/** What nobody takes of the watched queues, by queue. */
export function useUntaken(): ReadonlyMap<string, Untaken> {
  const key = queues.value === undefined ? "unknown" : "known";
  return useLoaded((signal) => findUntaken(readyTypes(), signal), key, EVERY_MS).value ?? new Map();
}

/** Says that nobody takes jobs of this type from this queue; undefined: somebody does, or it is not known. */
export function useUntakenType(queue: string, type: string): Untaken | undefined {
  const read = (signal: AbortSignal) => findUntaken(new Map([[queue, [type]]]), signal);
  return useLoaded(read, JSON.stringify([queue, type]), EVERY_MS).value?.get(queue);
}
