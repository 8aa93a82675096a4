import { pageTokenInvalid } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import type { CountPage } from "../port/listing.js";
import { ownTurn } from "../turns/own-turn.js";
import { forEachAtOnce } from "./for-each-at-once.js";
import { readPagePosition, writePageToken } from "./page-token.js";

/** Queues that are read at the same time. */
const AT_ONCE = 16;

/** Where a walk goes on: in these queues, each behind this key or from its beginning, then in those from a name on. */
interface Position {
  readonly open: readonly (readonly [queue: string, after: string | null])[];
  /** Undefined: there are no others. */
  readonly from?: string | undefined;
}

/**
 * Reads all jobs of these queues, sorted by name, part by part, in no order, until about `LIMITS.bulkScan` jobs were examined. Resolves to
 * the token with which it goes on there; "" at the end. PAGE_TOKEN_INVALID.
 */
export async function walkQueues(
  queues: readonly string[],
  digest: string,
  pageToken: string,
  read: (queue: string, after: string | undefined, scan: number) => Promise<Omit<CountPage, "count">>,
): Promise<string> {
  const start: Position = pageToken === "" ? { open: [], from: "" } : readPosition(digest, pageToken);
  const { from } = start;
  let rest = from === undefined ? [] : queues.filter((name) => name >= from);
  let open = start.open.filter(([queue]) => queues.includes(queue));
  let left: number = LIMITS.bulkScan;
  while (left > 0 && open.length + rest.length > 0) {
    const turn = [...open, ...rest.slice(0, AT_ONCE - open.length).map((queue) => [queue, null] as const)];
    rest = rest.slice(turn.length - open.length);
    const scan = Math.min(LIMITS.scan, Math.ceil(left / turn.length));
    const unread: (readonly [string, string | null])[] = [];
    await forEachAtOnce(turn, AT_ONCE, async ([queue, after]) => {
      const { examined, next } = await read(queue, after ?? undefined, scan);
      // A call costs something also where there is nothing.
      left -= examined + 1;
      if (next !== undefined) unread.push([queue, next]);
      // A backend may answer without going through the event loop.
      await ownTurn();
    });
    open = unread;
  }
  if (open.length + rest.length === 0) return "";
  return writePageToken(digest, JSON.stringify({ open, from: rest[0] } satisfies Position));
}

function readPosition(digest: string, token: string): Position {
  const position = readPagePosition(digest, token) as Partial<Position> | null;
  const { open, from } = position ?? {};
  const isFrom = from === undefined || typeof from === "string";
  if (!Array.isArray(open) || open.length > AT_ONCE || !open.every(isOpen) || !isFrom) throw pageTokenInvalid();
  return { open, from };
}

function isOpen(entry: unknown): boolean {
  return Array.isArray(entry) && typeof entry[0] === "string" && (entry[1] === null || typeof entry[1] === "string");
}
