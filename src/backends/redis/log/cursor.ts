import { fieldInvalid } from "../../../model/errors.js";

/** Where a reader stands in the log of one queue. */
export interface Position {
  /** Names the log: a queue that is deleted and made again later has another one. */
  readonly epoch: string;
  /** How many of its changes were read. */
  readonly count: number;
}

const PATTERN = /^v1((?:;[a-z0-9._-]{1,64}=[1-9][0-9]{0,15}\.(?:0|[1-9][0-9]{0,15}))*)$/;

/** Writes where a reader stands in each queue. */
export function writeCursor(positions: ReadonlyMap<string, Position>): string {
  let text = "v1";
  for (const [queue, { epoch, count }] of positions) text += `;${queue}=${epoch}.${count}`;
  return text;
}

/** Reads a cursor. FIELD_INVALID when it is none. */
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
