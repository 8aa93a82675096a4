import type { Change, ChangeFilter, ChangePage } from "../../../core/port/changes.js";
import { matchesChange } from "../../../core/watch/change-filter.js";
import { watchCompacted } from "../../../model/common/errors.js";
import { atMost } from "../link/at-most.js";
import { type CursorParts, isNarrow, readCursor, scopeOf } from "./cursor.js";
import { Fingerprint } from "./fingerprint.js";
import { Frontier } from "./frontier.js";
import type { LogEntry } from "./log-entry.js";
import type { FollowedLog, LogFollower } from "./log-follower.js";
import { type ToldLog, writeNarrow } from "./told-log.js";

/** Most changes that one read examines. */
const SCAN = 10_000;

/** Most entries of a queue that one read fetches from Redis at a time, and about how many of all queues. */
const FETCH = 100;
const FETCH_ALL = 2000;
const FETCH_LEAST = 4;

/** Most logs that one reader reads from Redis at the same time. */
const AT_ONCE = 64;

/** Most queues of a cursor that this server knows nothing of, and asks Redis for all the same: they may be new. */
const MAX_UNKNOWN = 64;

/** Dependencies of a log reader. */
export interface LogReaderDeps {
  readonly follower: LogFollower;
  readonly told: ToldLog;
  /** Until when the log of a deleted queue counts, ms since 1970; undefined: it is none, or long forgotten. */
  readonly countsUntil: (queue: string) => number | undefined;
  /** As in `LowWater`: now. */
  readonly horizon: () => number;
  /** Resolves when this server has heard of the changes of its own answered calls, and nothing is known to be missing. */
  readonly settled: () => Promise<void>;
  /** Resolves when it has heard of what was done before; to false when more tries would bring no more. */
  readonly hearAll: (tries: number) => Promise<boolean>;
  /** Looks in Redis for the logs of these queues, and follows those that there are. */
  readonly find: (queues: readonly string[]) => Promise<void>;
  /** Reads up to `count` entries after a position from Redis, oldest first. */
  readonly read: (queue: string, after: number, count: number) => Promise<readonly LogEntry[]>;
  /** Called when there is less of a log in Redis than was known. */
  readonly missing: (queue: string) => void;
}

/** Where a cursor stands in a log. */
interface Place {
  readonly log: FollowedLog;
  /** Number of changes before it. */
  readonly count: number;
  /** Number of the last change that it may read up to: the same moment for all logs, so that all after that is later. */
  readonly end: number;
  /** The stamp of that change. */
  readonly endStamp: number;
  readonly isNamed: boolean;
}

interface Places {
  /** The logs that are named, that have something to read, or, of a watch of certain queues, all of those. */
  readonly places: readonly Place[];
  /** Of all logs. */
  readonly fingerprint: Fingerprint;
}

/** A log that has something to read. */
interface Reading extends Place {
  count: number;
  entries: readonly LogEntry[];
  /** Index of the next entry. */
  next: number;
}

/** Reads the logs of all queues from a cursor on, merged by stamp. What this server was not told yet does not exist here. */
export class LogReader {
  readonly #deps: LogReaderDeps;

  constructor(deps: LogReaderDeps) {
    this.#deps = deps;
  }

  /** Resolves to the cursor after the newest change. */
  async head(): Promise<string> {
    const { told, settled, hearAll } = this.#deps;
    await hearAll(1);
    for (;;) {
      await settled();
      const cursor = told.cursor(undefined);
      if (cursor !== undefined) return cursor;
    }
  }

  /** As `Backend.read`. */
  async read(cursor: string, limit: number, filter: ChangeFilter): Promise<ChangePage> {
    const parts = readCursor(cursor);
    const narrow = isNarrow(filter.queues) ? filter.queues : undefined;
    if (parts.scope !== undefined && (narrow === undefined || scopeOf(narrow) !== parts.scope)) throw watchCompacted();
    for (let tries = 1; ; tries++) {
      await this.#deps.settled();
      const places = await this.#place(parts, narrow);
      if (places !== undefined) return this.#merge(parts, places, limit, filter, narrow);
      // What the cursor knows may be on its way to this server.
      const isWorthIt = await this.#deps.hearAll(tries);
      if (tries > 1 && !isWorthIt) throw watchCompacted();
      if (tries === 1) await this.#find(parts, narrow);
    }
  }

  /** Finds where a cursor stands in each log. Undefined when it does not fit what is known: it is ahead, or of other logs. */
  async #place({ positions, low }: CursorParts, narrow: ReadonlySet<string> | undefined): Promise<Places | undefined> {
    const { follower, countsUntil } = this.#deps;
    const isOwn = low === undefined && narrow !== undefined;
    const places: Place[] = [];
    const unsure: { readonly place: Place; readonly stamp: number }[] = [];
    let known = 0;
    for (const log of isOwn ? [...narrow].map((queue) => follower.heard(queue)) : follower.logs) {
      if (log === undefined) continue;
      const { queue, heard: end, stamp: endStamp } = log;
      const named = positions.get(queue);
      if (named !== undefined) {
        known++;
        if (named.epoch !== log.epoch || named.count > end) return undefined;
        places.push({ log, count: named.count, end, endStamp, isNamed: true });
        continue;
      }
      const until = countsUntil(queue);
      // One that is over and not known as deleted is made again: its new log has nothing yet.
      const isUncounted = low === undefined || until === undefined ? log.isOver : until <= low.horizon;
      if (isUncounted) continue;
      const stamp = low?.stamps.get(log.master) ?? 0;
      const { position, isSure } = low === undefined ? { position: 0, isSure: true } : follower.at(log, stamp);
      const place = { log, count: position, end, endStamp, isNamed: false };
      if (isSure) places.push(place);
      else unsure.push({ place, stamp });
    }
    if (known < [...positions.keys()].filter((queue) => !isOwn || narrow.has(queue)).length) return undefined;
    await atMost(AT_ONCE, unsure, async ({ place, stamp }) => {
      places.push({ ...place, count: await this.#search(place.log.queue, place.count, stamp) });
    });
    const fingerprint = new Fingerprint();
    for (const { log, count } of places) fingerprint.move(log.seed, 0, count);
    if (low !== undefined && fingerprint.value !== low.fingerprint) return undefined;
    for (const { log, count, end } of places) {
      if (!log.isOver) continue;
      if (count < end) throw watchCompacted();
      // Everything was read, and there will be no more.
      fingerprint.move(log.seed, count, 0);
    }
    const isWanted = ({ log, count, end, isNamed }: Place) =>
      !log.isOver && (narrow === undefined ? isNamed || count < end : narrow.has(log.queue));
    return { places: places.filter(isWanted), fingerprint };
  }

  /** Asks Redis for the logs that a cursor names and this server knows less of. */
  async #find({ positions }: CursorParts, narrow: ReadonlySet<string> | undefined): Promise<void> {
    const { follower, find } = this.#deps;
    const unknown = [...positions].filter(([queue, { epoch, count }]) => {
      if (narrow?.has(queue) === false) return false;
      const log = follower.heard(queue);
      return log === undefined || (!log.isOver && (log.epoch !== epoch || log.heard < count));
    });
    if (unknown.length > MAX_UNKNOWN) throw watchCompacted();
    await find(unknown.map(([queue]) => queue));
  }

  /**
   * The position in a log, at most `below`, behind the last entry up to a stamp. When that entry is not kept any more it is the
   * start of what is kept: whether that is the same the fingerprint tells.
   */
  async #search(queue: string, below: number, stamp: number): Promise<number> {
    let [from, to, step, isBetween] = [0, below, FETCH_LEAST, false];
    while (from < to) {
      const at = isBetween ? Math.floor((from + to) / 2) : Math.max(0, to - step);
      const [entry] = await this.#deps.read(queue, at, 1);
      if (entry === undefined) return to;
      if (entry.stamp <= stamp) {
        from = Math.min(to, entry.last);
        isBetween = true;
      } else {
        if (entry.start > at) return Math.min(to, entry.start);
        to = entry.start;
        step *= 4;
      }
    }
    return to;
  }

  async #merge(
    { low }: CursorParts,
    { places, fingerprint }: Places,
    limit: number,
    filter: ChangeFilter,
    narrow: ReadonlySet<string> | undefined,
  ): Promise<ChangePage> {
    const { follower, told, horizon } = this.#deps;
    const all = new Map(
      places.map((place): [string, Reading] => [place.log.queue, { ...place, entries: [], next: 0 }]),
    );
    const readings = [...all.values()].filter(({ count, end }) => count < end);
    const size = Math.max(FETCH_LEAST, Math.min(FETCH, Math.floor(FETCH_ALL / Math.max(1, readings.length))));
    await atMost(AT_ONCE, readings, (reading) => this.#fetch(reading, size));
    const frontier = new Frontier(fingerprint, low?.stamps ?? new Map(), horizon);
    for (const place of narrow === undefined ? all.values() : []) {
      if (place.isNamed && place.count > 0) frontier.name(place.log, place.count, await this.#stampOf(place));
    }
    const write = () => {
      if (narrow === undefined) return frontier.write();
      return writeNarrow(narrow, (queue) => {
        const place = all.get(queue);
        return place && { epoch: place.log.epoch, count: place.count };
      });
    };
    const entries: { change: Change; cursor: string }[] = [];
    let examined = 0;
    const isEnough = () => entries.length >= limit || examined >= SCAN;
    for (let reading = first(readings); reading !== undefined && !isEnough(); reading = first(readings)) {
      const entry = reading.entries[reading.next] as LogEntry;
      for (const change of entry.changes.slice(reading.count - entry.start)) {
        if (isEnough()) break;
        examined++;
        frontier.move(reading.log, reading.count, reading.count + 1, entry.stamp);
        reading.count++;
        if (matchesChange(filter, change)) entries.push({ change, cursor: write() });
      }
      if (reading.count < entry.last) break;
      reading.next++;
      if (reading.next === reading.entries.length) await this.#fetch(reading, size);
    }
    const next = write();
    const more = readings.some(({ count, end }) => count < end);
    const isAtEnd =
      narrow === undefined
        ? frontier.fingerprint.value === follower.fingerprint.value
        : [...narrow].every((queue) => (all.get(queue)?.count ?? 0) === (follower.heard(queue)?.heard ?? 0));
    return { entries, next, more, told: isAtEnd && follower.isComplete ? told.number : undefined };
  }

  /** Fetches the next entries of a log, if there are any. */
  async #fetch(reading: Reading, size: number): Promise<void> {
    const { log, count, end } = reading;
    const { follower, read, missing } = this.#deps;
    if (count >= end) return;
    const found = follower.tail(log.queue, log.epoch, count) ?? (await read(log.queue, count, size));
    reading.entries = found.filter(({ start }) => start < end);
    reading.next = 0;
    const [entry] = reading.entries;
    if (entry !== undefined && entry.start <= count && follower.heard(log.queue) === log) return;
    if (found.length === 0) missing(log.queue);
    throw watchCompacted();
  }

  /** The stamp of the last change before a place; 0 when that is gone. */
  async #stampOf({ log, count, end, endStamp, entries }: Reading): Promise<number> {
    if (count === end) return endStamp;
    const [next] = entries;
    if (next !== undefined && next.start < count) return next.stamp;
    const { follower, read } = this.#deps;
    const [entry] = follower.tail(log.queue, log.epoch, count - 1) ?? (await read(log.queue, count - 1, 1));
    return entry !== undefined && entry.last === count ? entry.stamp : 0;
  }
}

/** The reading with the earliest next entry; undefined at the end. */
function first(readings: readonly Reading[]): Reading | undefined {
  let [best, earliest]: [Reading | undefined, LogEntry | undefined] = [undefined, undefined];
  for (const reading of readings) {
    const entry = reading.count < reading.end ? reading.entries[reading.next] : undefined;
    if (entry === undefined) continue;
    const isFirst =
      earliest === undefined ||
      entry.stamp < earliest.stamp ||
      (entry.stamp === earliest.stamp && entry.queue < earliest.queue);
    if (isFirst) [best, earliest] = [reading, entry];
  }
  return best;
}
