import { fieldInvalid } from "../../../model/errors.js";

/** A position in the change log of one queue. */
export interface Position {
  /** Names the log: a queue that is created again after its old log was dropped gets a new epoch. */
  readonly epoch: string;
  /** Number of changes before this position. */
  readonly count: number;
}

const PATTERN = /^v1((?:;[a-z0-9._-]{1,64}=[1-9][0-9]{0,15}\.(?:0|[1-9][0-9]{0,15}))*)$/;

/** Writes a cursor: `v1`, then `;<queue>=<epoch>.<count>` for each queue. */
export function writeCursor(positions: ReadonlyMap<string, Position>): string {
  let text = "v1";
  for (const [queue, { epoch, count }] of positions) text += `;${queue}=${epoch}.${count}`;
  return text;
}

/** Parses a cursor. Throws FIELD_INVALID when it is malformed. */
export function readCursor(cursor: string): Map<string, Position> {
  const match = PATTERN.exec(cursor);
  if (match === null) throw badCursor();
  const positions = new Map<string, Position>();
  for (const part of match[1]?.split(";").slice(1) ?? []) {
    const [queue = "", place = ""] = part.split("=");
    const [epoch = "", count = ""] = place.split(".");
    positions.set(queue, { epoch, count: Number(count) });
  }
  return positions;
}

function badCursor() {
  return fieldInvalid([
    { field: "cursor", description: "is not a cursor of this server; leave it empty to start now" },
  ]);
}
