import type { Queue } from "../model/queue/queue.js";
import { type Taken, takenBy } from "../model/queue/taken.js";
import type { Backend } from "./backend.js";

/** Ready jobs of a type that no worker takes from their queue. */
export interface UntakenJobs {
  readonly queue: string;
  readonly type: string;
  readonly jobs: number;
}

/** What these workers take, each set of queues once. */
export function takenHere(workers: readonly Taken[]): readonly Taken[] {
  const found = new Map<string, { readonly queues: readonly string[]; readonly types: Set<string> }>();
  for (const { queues, types } of workers) {
    const sorted = queues.toSorted();
    const key = sorted.join();
    const taken = found.get(key) ?? { queues: sorted, types: new Set<string>() };
    found.set(key, taken);
    for (const type of types) taken.types.add(type);
  }
  return [...found.values()].map(({ queues, types }) => ({ queues, types: [...types].sort() }));
}

/**
 * Finds ready jobs that no worker of any process on this store takes, by queue and type: of the types that the figures of these
 * queues name, the first `max` pairs. None when it is not known what all workers take. `workers` are those of this process; they are
 * read after the queues, so that a worker that came for these types is among them.
 */
export async function findUntaken(
  backend: Backend,
  queues: readonly Queue[],
  workers: readonly Taken[],
  max: number,
): Promise<readonly UntakenJobs[]> {
  const isTakenHere = takenBy(workers);
  const candidates = queues.flatMap(({ name, stats }) => {
    const types = stats.readyTypes.filter((type) => !isTakenHere(name, type));
    return types.length > 0 ? [{ name, types }] : [];
  });
  if (candidates.length === 0) return [];
  const elsewhere = await backend.takenElsewhere();
  if (elsewhere === undefined) return [];
  const isTaken = takenBy(elsewhere);
  const found: UntakenJobs[] = [];
  for (const { name, types } of candidates) {
    const untaken = types.filter((type) => !isTaken(name, type)).slice(0, max - found.length);
    if (untaken.length === 0) continue;
    const counts = await backend.countReady(name, untaken);
    untaken.forEach((type, at) => {
      const jobs = counts[at] ?? 0;
      if (jobs > 0) found.push({ queue: name, type, jobs });
    });
    if (found.length >= max) break;
  }
  return found;
}
