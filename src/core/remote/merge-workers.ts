import type { WorkerInfo } from "./worker-info.js";

/**
 * The remote workers, each once. A worker that lost its stream while jobs ran may have several streams: one for each part
 * of its capacity. Streams of one name, that take the same jobs, are one worker. A worker that polls is not listed apart
 * from its stream: the jobs it got by polls are added there.
 */
export function mergeWorkers(streams: readonly WorkerInfo[], pollers: readonly WorkerInfo[]): readonly WorkerInfo[] {
  const workers = new Map<string, WorkerInfo>();
  /** The first stream of each name, by its key in `workers`. */
  const byName = new Map<string, string>();
  for (const stream of streams) {
    const key = keyOf(stream);
    const earlier = workers.get(key);
    workers.set(key, earlier === undefined ? stream : merged(earlier, stream, earlier.capacity + stream.capacity));
    if (!byName.has(stream.name)) byName.set(stream.name, key);
  }
  const others: WorkerInfo[] = [];
  for (const poller of pollers) {
    const key = byName.get(poller.name);
    const stream = key === undefined ? undefined : workers.get(key);
    if (key === undefined || stream === undefined) others.push(poller);
    else if (poller.jobIds.length > 0) workers.set(key, merged(stream, poller, stream.capacity));
  }
  return [...workers.values(), ...others];
}

function keyOf({ name, queues, types }: WorkerInfo): string {
  return JSON.stringify([name, [...queues].sort(), [...types].sort()]);
}

/** `first` with the jobs of `second` too. */
function merged(first: WorkerInfo, second: WorkerInfo, capacity: number): WorkerInfo {
  return { ...first, capacity, jobIds: [...first.jobIds, ...second.jobIds] };
}
