import type { Clock, Timer } from "../../../core/clock.js";
import { Takers } from "./takers.js";

/** Who is told that jobs of a queue may be ready: of these types, or of any. */
export type TellReady = (queue: string, types: readonly string[] | undefined) => void;

/** How long a server leaves a new job to the one whose turn it is, ms: that one may be busy, or gone. */
const LEAVE_MS = 10;

/** From so many jobs on that one call made ready, all servers look at once. */
const MANY = 10;

/** What a notice tells of ready jobs; see `Notice`. */
export interface ReadyNotice {
  readonly queue: string;
  readonly position: number;
  readonly at: number;
  readonly ready: string | undefined;
  readonly gone: string;
  readonly from: string;
  readonly sweeper: string | undefined;
  readonly entry: { readonly count: number } | undefined;
}

/** Types that were left to other servers. */
interface Left {
  readonly types: Set<string>;
  readonly to: Set<string>;
  readonly timer: Timer;
}

/**
 * Tells of ready jobs, once for each script call: what this server did itself is told with the answer of the call, as its
 * callers may look at once, and comes on the channel too.
 *
 * Of many servers only as many look as there are jobs: whoever made them ready, if it took such jobs lately; else those that did
 * take turns. The others wait a moment, in case it is not taken; when they hear that none is left, they do not look.
 * Whoever leaves a job in its turn is not counted on any more until it takes one again.
 */
export class ReadyNotices {
  tell: TellReady | undefined;
  readonly #clock: Clock;
  readonly #self: string;
  /** By queue: positions of the log that were told with an answer and not yet heard of. */
  readonly #answered = new Map<string, Set<number>>();
  /** By queue: the position that was heard of last. */
  readonly #heard = new Map<string, number>();
  readonly #takers = new Map<string, Takers>();
  /** By queue: what was left to another server. */
  readonly #left = new Map<string, Left>();

  /** `self`: name of this server. */
  constructor(clock: Clock, self: string) {
    this.#clock = clock;
    this.#self = self;
  }

  /** A call of this server was answered. `position`: of the log after it, 0 when it changed nothing; `word`: of the message. */
  answered(queue: string, position: number, word: string): void {
    if (word === "-" || (position > 0 && position <= (this.#heard.get(queue) ?? 0))) return;
    if (position > 0) {
      const answered = this.#answered.get(queue) ?? new Set();
      this.#answered.set(queue, answered.add(position));
    }
    this.#tell(queue, word);
  }

  /** A notice was heard. Returns whether it has this server look for a few jobs that others made ready: for many all look. */
  noticed(notice: ReadyNotice): boolean {
    const { queue, position, ready, gone, from } = notice;
    if (gone !== "-") this.#gone(queue, gone, from);
    if (position > 0) {
      this.#heard.set(queue, position);
      const answered = this.#answered.get(queue);
      const isTold = answered?.delete(position) === true;
      if (answered?.size === 0) this.#answered.delete(queue);
      if (isTold) return false;
    }
    // What its own sweep found this server tells with the answer; see `swept`.
    if (ready === undefined || ready === "-" || notice.sweeper === this.#self) return false;
    const types = typesOf(ready);
    const turn = this.#turnOf(notice, types);
    // Whoever called here may look here at once.
    if (from === this.#self || types === undefined || turn.length === 0 || turn.includes(this.#self)) {
      this.tell?.(queue, types);
      return from !== this.#self && countOf(notice) < MANY;
    }
    this.#leave(queue, types, turn);
    return false;
  }

  /** A sweep found jobs of these types. */
  swept(queue: string, word: string): void {
    this.#tell(queue, word);
  }

  /** The log of a queue may begin anew. */
  forget(queue: string): void {
    this.#answered.delete(queue);
    this.#heard.delete(queue);
    this.#takers.delete(queue);
  }

  /** Notices may have been missed. */
  reset(): void {
    this.#answered.clear();
    this.#heard.clear();
    this.#takers.clear();
  }

  /** Tells nothing more. */
  stop(): void {
    this.tell = undefined;
    for (const { timer } of this.#left.values()) timer.cancel();
    this.#left.clear();
  }

  /** The servers whose turn it is to look; none: all look. All servers come to the same answer, or nearly so. */
  #turnOf(notice: ReadyNotice, types: readonly string[] | undefined): readonly string[] {
    const { queue, position, at, from, sweeper = from } = notice;
    const count = countOf(notice);
    const takers = this.#takers.get(queue);
    if (takers === undefined || types === undefined || count >= MANY) return [];
    const names = takers.of(types, this.#clock.monotonic());
    // It looks anyway, sooner than the others.
    if (names.includes(sweeper)) return [sweeper];
    if (names.length <= count) return names;
    return names.sort().filter((_, place) => (place + position + at) % names.length < count);
  }

  #leave(queue: string, types: readonly string[], to: readonly string[]): void {
    let left = this.#left.get(queue);
    if (left === undefined) {
      const timer = this.#clock.setTimer(LEAVE_MS, () => this.#takeBack(queue));
      left = { types: new Set(), to: new Set(), timer };
      this.#left.set(queue, left);
    }
    for (const type of types) left.types.add(type);
    for (const name of to) left.to.add(name);
  }

  /** What was left to others was not taken. */
  #takeBack(queue: string): void {
    const left = this.#left.get(queue);
    if (left === undefined) return;
    this.#left.delete(queue);
    for (const name of left.to) this.#takers.get(queue)?.left(name, left.types);
    this.tell?.(queue, [...left.types]);
  }

  /** No job of these types is ready any more: `from` took the last. */
  #gone(queue: string, word: string, from: string): void {
    const types = typesOf(word) ?? [];
    if (from !== "-") {
      const takers = this.#takers.get(queue) ?? new Takers();
      takers.took(from, types, this.#clock.monotonic());
      this.#takers.set(queue, takers);
    }
    const left = this.#left.get(queue);
    if (left === undefined) return;
    for (const type of types) left.types.delete(type);
    if (left.types.size > 0) return;
    left.timer.cancel();
    this.#left.delete(queue);
  }

  #tell(queue: string, word: string): void {
    if (word !== "-") this.tell?.(queue, typesOf(word));
  }
}

/** Jobs that a notice makes ready, or about. */
function countOf({ entry }: ReadyNotice): number {
  return Math.max(1, entry?.count ?? 1);
}

/** The types in a word of a message; undefined: any. */
export function typesOf(word: string): string[] | undefined {
  if (word === "-") return [];
  return word === "*" ? undefined : word.split(",").map(decodeURIComponent);
}
