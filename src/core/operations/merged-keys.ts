import { pageTokenInvalid } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { compareNumbers, jobIdOf } from "../../model/queue/ids.js";
import type { KeyPage } from "../port/listing.js";
import { ownTurn } from "../turns/own-turn.js";
import { forEachAtOnce } from "./for-each-at-once.js";

/** Queues that are read at the same time. */
const AT_ONCE = 64;

/** Jobs of a queue that the first look examines at the least. */
const FIRST_SCAN = 2;

/** How many times more of a queue each further look examines. */
const GROWTH = 4;

/** Where a job is in a listing of several queues. */
export interface Place {
  readonly queue: string;
  /** Of the backend; good as `after` in every queue. */
  readonly key: string;
  readonly id: string;
  /** The number in its id. */
  readonly number: string;
  /** When it was created, or died; ms since 1970. */
  readonly at: number;
  readonly bytes: number;
}

/** What comes next in a merged listing. */
export interface MergedPage {
  readonly places: readonly Place[];
  /** The key that the listing has got to; undefined at its end. */
  readonly next: string | undefined;
}

/** How a listing is merged. */
export interface Merge {
  readonly queues: readonly string[];
  /** NEWEST: the largest keys first. */
  readonly order: "NEWEST" | "OLDEST";
  /** Only what comes after this key. */
  readonly after: string | undefined;
  /** Reads keys of one queue. */
  readonly read: (query: {
    readonly queue: string;
    readonly after: string | undefined;
    readonly limit: number;
    readonly scan: number;
  }) => Promise<KeyPage>;
}

/** What is known of one queue. */
interface Line {
  readonly queue: string;
  /** All jobs up to here are known, none of those behind it. */
  known: Point;
  /** Jobs to examine at the next look; 0 before the first. */
  scan: number;
  isDone: boolean;
}

/** A key, taken apart; with none it is the beginning. */
interface Point {
  readonly key: string | undefined;
  readonly at: number;
  readonly number: string;
}

/**
 * Merges the listings of several queues into one, in the order of their keys; answers a function that reads on, up to
 * `limit` places a call. A call looks into every queue of which nothing is known yet, and for the rest examines up to
 * `LIMITS.scan` jobs: so it may answer fewer places, even none, before the end.
 *
 * A place is answered once every queue is known up to it. Few jobs of each queue are asked for at first, then ever more
 * of those queues that hold back what is wanted.
 */
export function createMergedKeys({ queues, order, after, read }: Merge): (limit: number) => Promise<MergedPage> {
  const sign = order === "NEWEST" ? -1 : 1;
  const compare = (a: Point, b: Point) => sign * (a.at - b.at || compareNumbers(a.number, b.number));
  const beginning = { key: undefined, at: order === "NEWEST" ? Number.MAX_VALUE : -1, number: "" };
  const start: Point = after === undefined ? beginning : toPoint(after);
  // The queues of which there is more to know.
  let lines: readonly Line[] = queues.map((queue) => ({ queue, known: start, scan: 0, isDone: false }));
  // What is known and not answered yet, in order.
  let pool: readonly Place[] = [];

  /** Reads on in these queues, up to `share` jobs of each. */
  async function look(asked: readonly Line[], limit: number, share: number): Promise<void> {
    const found: Place[] = [];
    await forEachAtOnce(asked, AT_ONCE, async (line) => {
      const { queue, known } = line;
      const scan = Math.min(line.scan, share);
      const { keys, next } = await read({ queue, after: known.key, limit: Math.min(scan, limit), scan });
      for (const { key, bytes } of keys) found.push(toPlace(queue, key, bytes));
      if (next === undefined) line.isDone = true;
      else line.known = toPoint(next);
      line.scan = Math.min(line.scan * GROWTH, LIMITS.scan);
    });
    pool = [...pool, ...found].sort(compare);
    lines = lines.filter(({ isDone }) => !isDone).sort((a, b) => compare(a.known, b.known));
    await ownTurn();
  }

  return async (limit) => {
    const news = lines.filter(({ scan }) => scan === 0);
    for (const line of news) line.scan = Math.max(FIRST_SCAN, Math.ceil((2 * limit) / lines.length));
    if (news.length > 0) await look(news, limit, limit);
    for (let left: number = LIMITS.scan; left > 0; ) {
      const last = pool[limit - 1];
      const behind = lines.filter(({ known }) => last === undefined || compare(known, last) < 0).slice(0, left);
      if (behind.length === 0) break;
      const share = Math.floor(left / behind.length);
      for (const { scan } of behind) left -= Math.min(scan, share);
      await look(behind, limit, share);
    }
    const front = lines[0]?.known;
    const unsure = front === undefined ? -1 : pool.findIndex((place) => compare(place, front) > 0);
    const places = pool.slice(0, Math.min(limit, unsure < 0 ? pool.length : unsure));
    pool = pool.slice(places.length);
    const isWhole = places.length < limit && front !== undefined;
    const hasMore = front !== undefined || pool.length > 0;
    return { places, next: isWhole ? front.key : hasMore ? places.at(-1)?.key : undefined };
  };
}

function toPlace(queue: string, key: string, bytes: number): Place {
  const point = toPoint(key);
  return { queue, ...point, id: jobIdOf(queue, point.number), bytes };
}

/** Takes a key apart; PAGE_TOKEN_INVALID for what is none. */
function toPoint(key: string): Point & { readonly key: string } {
  const match = /^(\d{1,16})-(\d{1,20})$/.exec(key);
  if (match === null) throw pageTokenInvalid();
  return { key, at: Number(match[1]), number: match[2] as string };
}
