import { fieldInvalid } from "../../../model/common/errors.js";
import { numberOf, seedOf } from "./fingerprint.js";

/** A position in the change log of one queue. */
export interface Position {
  /** Names the log: a queue that is created again after its old log was dropped gets a new epoch. */
  readonly epoch: string;
  /** Number of changes before this position. */
  readonly count: number;
}

/** Where the logs stand that a cursor does not name. */
export interface LowWater {
  /** By master: all entries up to this stamp are behind the cursor, and no others. */
  readonly stamps: ReadonlyMap<string, number>;
  /** `Fingerprint` of the positions of all logs, those that are named too: it tells whether the stamps still mean the same. */
  readonly fingerprint: number;
  /** Of the deleted queues, those whose log was kept for some more at this time count, ms since 1970; see `countsUntil`. */
  readonly horizon: number;
}

/** What a cursor says. */
export interface CursorParts {
  /** The logs that are named. */
  readonly positions: ReadonlyMap<string, Position>;
  /** Undefined: the logs that are not named are new, or of no concern. */
  readonly low: LowWater | undefined;
  /** `scopeOf` the queues that it is about; undefined: all. */
  readonly scope: number | undefined;
}

/** Most characters of a cursor. */
export const MAX_CURSOR = 1024;

/** Characters of a named log beside its name, at the most: an epoch and a count of 13 digits each, and signs. */
const NAMED = 29;

const PATTERN = /^v1((?:;[a-z0-9._-]{1,64}=[1-9][0-9]{0,15}\.(?:0|[1-9][0-9]{0,15}))*)$/;

/** Names that no queue has. Servers before them know no such queue and answer WATCH_COMPACTED. */
const LOW = "-low";
const SCOPE = "-only";
const MASTER = /^-\d{1,5}$/;

/** Writes a cursor: `v1`, then `;<queue>=<epoch>.<count>` for each log that is named, and what else there is in the same form. */
export function writeCursor(positions: Iterable<readonly [string, Position]>, low?: LowWater, scope?: number): string {
  let text = "v1";
  if (low !== undefined) {
    text += `;${LOW}=${low.fingerprint}.${low.horizon}`;
    for (const [master, stamp] of low.stamps) text += `;-${master}=${stamp}.0`;
  }
  for (const [queue, { epoch, count }] of positions) text += `;${queue}=${epoch}.${count}`;
  return scope === undefined ? text : `${text};${SCOPE}=${scope}.0`;
}

/** Parses a cursor. Throws FIELD_INVALID when it is malformed. */
export function readCursor(cursor: string): CursorParts {
  const match = PATTERN.exec(cursor);
  if (match === null) throw badCursor();
  const positions = new Map<string, Position>();
  const stamps = new Map<string, number>();
  let low: Omit<LowWater, "stamps"> | undefined;
  let scope: number | undefined;
  for (const part of match[1]?.split(";").slice(1) ?? []) {
    const [name = "", place = ""] = part.split("=");
    const [epoch = "", count = ""] = place.split(".");
    if (name === LOW) low = { fingerprint: Number(epoch), horizon: Number(count) };
    else if (name === SCOPE) scope = Number(epoch);
    else if (MASTER.test(name)) stamps.set(name.slice(1), Number(epoch));
    else positions.set(name, { epoch, count: Number(count) });
  }
  return { positions, low: low && { ...low, stamps }, scope };
}

/** Whether a cursor for these queues names just them: their positions fit. */
export function isNarrow(queues: ReadonlySet<string> | undefined): queues is ReadonlySet<string> {
  if (queues === undefined) return false;
  let size = 32;
  for (const queue of queues) size += queue.length + NAMED;
  return size <= MAX_CURSOR;
}

/** A number for a set of queues: a cursor for them means nothing for others. */
export function scopeOf(queues: ReadonlySet<string>): number {
  return numberOf(seedOf([...queues].sort().join(), ""));
}

function badCursor() {
  return fieldInvalid([
    { field: "cursor", description: "is not a cursor of this server; leave it empty to start now" },
  ]);
}
