import type { ChangeFilter, ChangePage } from "../../../core/backend.js";
import { matchesChange } from "../../../core/watch/change-filter.js";
import { watchCompacted } from "../../../model/errors.js";
import { type Position, readCursor, writeCursor } from "./cursor.js";
import type { LogEntry } from "./log-entry.js";

/** Changes that one read examines at the most. */
const SCAN = 10_000;

/** Entries of a queue that one read fetches from Redis. */
const FETCH = 100;

/** What is after a position in the log of a queue. */
export interface LogPart {
  readonly epoch: string;
  /** Entries whose last change is after the position, oldest first. */
  readonly entries: readonly LogEntry[];
  /** The number of the last change of the log. */
  readonly end: number;
}

/** Where a reader of several logs gets them from. */
export interface LogSource {
  /** The queues whose logs are kept, deleted ones too. */
  queues(): readonly string[];
  /** Where the log of each of these queues ends; those that have none are left out. */
  ends(queues: readonly string[]): Promise<ReadonlyMap<string, Position>>;
  /** What is after a position, `count` entries or all that are at hand; undefined: there is no log. */
  after(queue: string, position: Position | undefined, count: number): Promise<LogPart | undefined>;
}

interface Reading {
  readonly queue: string;
  readonly part: LogPart;
  /** Index of the next entry, and of the next change in it. */
  entry: number;
  change: number;
  count: number;
}

/** The position after the newest change of every queue. */
export async function readHead(source: LogSource): Promise<string> {
  return writeCursor(await source.ends(source.queues()));
}

/** Reads on from a cursor, over the logs of all queues that the filter wants, by time and then by queue. */
export async function readLogs(
  source: LogSource,
  cursor: string,
  limit: number,
  filter: ChangeFilter,
): Promise<ChangePage> {
  const positions = readCursor(cursor);
  const queues = source.queues().filter((queue) => filter.queues?.has(queue) ?? true);
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
  if (part === undefined) return undefined;
  const { epoch, entries, end } = part;
  // A queue that the cursor does not know was made after it: all of its changes are new.
  const count = position?.count ?? 0;
  if (position === undefined) positions.set(queue, { epoch, count });
  else if (position.epoch !== epoch || count > end) throw watchCompacted();
  const [entry] = entries;
  if (count < (entry?.start ?? end)) throw watchCompacted();
  return { queue, part, entry: 0, change: entry === undefined ? 0 : count - entry.start, count };
}

/** The reading whose next change is the earliest; none when one must fetch more before the order is known. */
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
