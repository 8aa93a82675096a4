import type { ChangeFilter, ChangePage } from "../../../core/backend.js";
import { matchesChange } from "../../../core/watch/change-filter.js";
import { watchCompacted } from "../../../model/errors.js";
import { type Position, readCursor, writeCursor } from "./cursor.js";
import type { LogEntry } from "./log-entry.js";

/** Most changes that one read examines. */
const SCAN = 10_000;

/** Most entries of a queue that one read fetches from Redis. */
const FETCH = 100;

/** The part of a queue's log after a position. */
export interface LogPart {
  readonly epoch: string;
  /** Entries whose last change is after the position, oldest first. */
  readonly entries: readonly LogEntry[];
  /** Number of the last change of the log. */
  readonly end: number;
  /** Whether the log is still kept. Of a queue that was deleted long ago only the end is known. */
  readonly isKept: boolean;
}

/** The logs of all queues, as a reader needs them. */
export interface LogSource {
  /** The queues whose logs are kept, including deleted ones. */
  queues(): readonly string[];
  /** Whether this is a deleted queue whose log is not kept any more. */
  isOver(queue: string): boolean;
  /** The end of the log of each of these queues; those without a log are left out. */
  ends(queues: readonly string[]): Promise<ReadonlyMap<string, Position>>;
  /**
   * The part after a position: up to `count` entries from Redis, or all that this process keeps. No position: from the
   * start. Undefined when nothing is known of such a log.
   */
  after(queue: string, position: Position | undefined, count: number): Promise<LogPart | undefined>;
}

interface Reading {
  readonly queue: string;
  readonly part: LogPart;
  /** Index of the next entry, and of the next change in it; then the number of changes read of this log. */
  entry: number;
  change: number;
  count: number;
}

/** Most queues of a cursor that this server knows nothing of, and asks Redis for all the same: they may be new. */
const MAX_UNKNOWN = 64;

/** Resolves to the cursor after the newest change of every queue. */
export async function readHead(source: LogSource): Promise<string> {
  return writeCursor(await source.ends(source.queues()));
}

/** Reads on from a cursor: merges the logs of all queues that the filter wants, by time, then by queue name. */
export async function readLogs(
  source: LogSource,
  cursor: string,
  limit: number,
  filter: ChangeFilter,
): Promise<ChangePage> {
  const positions = readCursor(cursor);
  const known = source.queues();
  const others = missingFrom(known, positions);
  if (others.filter((queue) => !source.isOver(queue)).length > MAX_UNKNOWN) throw watchCompacted();
  const queues = [...known, ...others].filter((queue) => filter.queues?.has(queue) ?? true);
  const readings = (await Promise.all(queues.map((queue) => open(source, queue, positions)))).filter(
    (reading) => reading !== undefined,
  );
  const entries: { change: ChangePage["entries"][number]["change"]; cursor: string }[] = [];
  let examined = 0;
  while (entries.length < limit && examined < SCAN) {
    const reading = first(readings);
    if (reading === undefined) break;
    const entry = reading.part.entries[reading.entry] as LogEntry;
    const change = entry.changes[reading.change++];
    if (reading.change >= entry.count) {
      reading.entry++;
      reading.change = 0;
    }
    reading.count++;
    examined++;
    positions.set(reading.queue, { epoch: reading.part.epoch, count: reading.count });
    if (change !== undefined && matchesChange(filter, change)) entries.push({ change, cursor: writeCursor(positions) });
  }
  return {
    entries,
    next: writeCursor(positions),
    more: readings.some(({ part, count }) => count < part.end),
  };
}

async function open(source: LogSource, queue: string, positions: Map<string, Position>): Promise<Reading | undefined> {
  const position = positions.get(queue);
  const part = await source.after(queue, position, FETCH);
  if (part === undefined) {
    // What the log had after this position is gone, or was not: nobody knows.
    if (position !== undefined) throw watchCompacted();
    return undefined;
  }
  const { epoch, entries, end, isKept } = part;
  if (!isKept) {
    if (position === undefined) return undefined;
    if (position.epoch !== epoch || position.count < end) throw watchCompacted();
    // Everything was read, and there will be no more.
    positions.delete(queue);
    return undefined;
  }
  // A queue that is not in the cursor was created after it: all of its changes are new.
  const count = position?.count ?? 0;
  if (position === undefined) positions.set(queue, { epoch, count });
  else if (position.epoch !== epoch || count > end) throw watchCompacted();
  const [entry] = entries;
  if (count < (entry?.start ?? end)) throw watchCompacted();
  return { queue, part, entry: 0, change: entry === undefined ? 0 : count - entry.start, count };
}

function missingFrom(known: readonly string[], positions: ReadonlyMap<string, Position>): string[] {
  const all = new Set(known);
  return [...positions.keys()].filter((queue) => !all.has(queue));
}

/** The reading with the earliest next change; undefined at the end, or when one must fetch more to know the order. */
function first(readings: readonly Reading[]): Reading | undefined {
  let best: Reading | undefined;
  for (const reading of readings) {
    const entry = reading.part.entries[reading.entry];
    if (entry === undefined) {
      if (reading.count < reading.part.end) return undefined;
      continue;
    }
    const other = best?.part.entries[best.entry];
    if (
      best === undefined ||
      other === undefined ||
      entry.at < other.at ||
      (entry.at === other.at && reading.queue < best.queue)
    ) {
      best = reading;
    }
  }
  return best;
}
