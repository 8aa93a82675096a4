import type { Clock, Timer } from "../../../core/clock.js";

/** Who is told that jobs of a queue may be ready: of these types, or of any. */
export type TellReady = (queue: string, types: readonly string[] | undefined) => void;

/** How long a server leaves a new job to the one whose turn it is, ms: that one may be busy, or gone. */
const LEAVE_MS = 10;

/** How long a server counts as one that takes the jobs of a queue after it took the last, ms. */
const TAKER_MS = 10_000;

/** From so many jobs on that one call made ready, all servers look at once. */
const MANY = 10;

/** Most servers that are known to take the jobs of a queue. */
const MAX_TAKERS = 100;

/** What a notice tells of ready jobs; see `Notice`. */
export interface ReadyNotice {
  readonly queue: string;
  readonly position: number;
  readonly at: number;
  readonly ready: string | undefined;
  readonly gone: string;
  readonly from: string;
  readonly entry: { readonly count: number } | undefined;
}

/** Types that were left to another server; `isAny`: of any. */
interface Left {
  readonly types: Set<string>;
  isAny: boolean;
  readonly timer: Timer;
}

/**
 * Tells of ready jobs, once for each script call: what this server did itself is told with the answer of the call, as its
 * callers may look at once, and comes on the channel too.
 *
 * Of many servers only as many look as there are jobs: those take turns that took jobs of the queue lately. The others wait a
 * moment, in case it is not taken; when they hear that none is left, they do not look.
 */
export class ReadyNotices {
  tell: TellReady | undefined;
  readonly #clock: Clock;
  readonly #self: string;
  /** By queue: positions of the log that were told with an answer and not yet heard of. */
  readonly #answered = new Map<string, Set<number>>();
  /** By queue: the position that was heard of last. */
  readonly #heard = new Map<string, number>();
  /** By queue: the servers that took the last job of a type, and when, ms on the monotonic clock. */
  readonly #takers = new Map<string, Map<string, number>>();
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

  /** A notice was heard. */
  noticed(notice: ReadyNotice): void {
    const { queue, position, ready, gone, from } = notice;
    if (gone !== "-") this.#gone(queue, gone, from);
    if (position > 0) {
      this.#heard.set(queue, position);
      const answered = this.#answered.get(queue);
      const isTold = answered?.delete(position) === true;
      if (answered?.size === 0) this.#answered.delete(queue);
      if (isTold) return;
    }
    if (ready === undefined || ready === "-") return;
    // Whoever called here may look here at once.
    if (from === this.#self || this.#isOurTurn(notice)) this.#tell(queue, ready);
    else this.#leave(queue, ready);
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

  /** Whether this server is among those whose turn it is to look. All servers come to the same answer, or nearly so. */
  #isOurTurn({ queue, position, at, entry }: ReadyNotice): boolean {
    const count = Math.max(1, entry?.count ?? 1);
    const takers = this.#takers.get(queue);
    if (takers === undefined || count >= MANY) return true;
    const since = this.#clock.monotonic() - TAKER_MS;
    for (const [name, tookAt] of takers) if (tookAt < since) takers.delete(name);
    if (takers.size === 0) this.#takers.delete(queue);
    if (takers.size <= count) return takers.size === 0 || takers.has(this.#self);
    const names = [...takers.keys()].sort();
    const place = names.indexOf(this.#self);
    return place >= 0 && (place + position + at) % names.length < count;
  }

  #leave(queue: string, word: string): void {
    let left = this.#left.get(queue);
    if (left === undefined) {
      const timer = this.#clock.setTimer(LEAVE_MS, () => {
        const { types, isAny } = this.#left.get(queue) as Left;
        this.#left.delete(queue);
        this.tell?.(queue, isAny ? undefined : [...types]);
      });
      left = { types: new Set(), isAny: false, timer };
      this.#left.set(queue, left);
    }
    const types = typesOf(word);
    left.isAny ||= types === undefined;
    for (const type of types ?? []) left.types.add(type);
  }

  /** No job of these types is ready any more: `from` took the last. */
  #gone(queue: string, word: string, from: string): void {
    if (from !== "-") {
      const takers = this.#takers.get(queue) ?? new Map<string, number>();
      if (takers.size < MAX_TAKERS || takers.has(from)) takers.set(from, this.#clock.monotonic());
      this.#takers.set(queue, takers);
    }
    const left = this.#left.get(queue);
    if (left === undefined) return;
    for (const type of typesOf(word) ?? []) left.types.delete(type);
    if (left.isAny || left.types.size > 0) return;
    left.timer.cancel();
    this.#left.delete(queue);
  }

  #tell(queue: string, word: string): void {
    if (word !== "-") this.tell?.(queue, typesOf(word));
  }
}

/** The types in a word of a message; undefined: any. */
function typesOf(word: string): string[] | undefined {
  if (word === "-") return [];
  return word === "*" ? undefined : word.split(",").map(decodeURIComponent);
}
