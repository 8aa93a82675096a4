import { type LowWater, MAX_CURSOR, type Position, writeCursor } from "./cursor.js";
import type { Fingerprint, LogSeed } from "./fingerprint.js";

/** A log: that of a queue, in one epoch. */
export interface Log {
  readonly queue: string;
  readonly epoch: string;
  readonly seed: LogSeed;
  /** The master that has it, by a number that all servers of the store know it by. */
  readonly master: string;
}

interface Listed extends Position {
  readonly log: Log;
  /** The stamp of the last entry before the position. */
  readonly stamp: number;
}

/** Most logs that a cursor names while it needs no stamps. */
const MOST = 30;

/**
 * As many are named beside stamps, of all masters and of each: those that moved last, as stamps may come a little out of order,
 * and several may have the same.
 */
const FEW = 8;
const FEW_EACH = 2;

/**
 * A position in all logs together, as a cursor of bounded length tells it: some logs are named with their positions. Of the
 * others everything up to a stamp lies before it, one stamp for each master; without stamps they are at their start.
 */
export class Frontier {
  readonly #named: Map<string, Listed>;
  readonly #stamps: Map<string, number>;
  readonly #fingerprint: Fingerprint;
  readonly #horizon: () => number;
  /** What was written last, while nothing has moved. */
  #text: string | undefined;
  /** The log that moved last. */
  #last: Listed | undefined;
  /** The other logs that are named, as text, while those stand still. */
  #others: string | undefined;

  /** `fingerprint` is that of all logs; `stamps` and `horizon`: see `LowWater`. */
  constructor(fingerprint: Fingerprint, stamps: LowWater["stamps"], horizon: () => number) {
    this.#named = new Map();
    this.#stamps = new Map(stamps);
    this.#fingerprint = fingerprint;
    this.#horizon = horizon;
  }

  get fingerprint(): Fingerprint {
    return this.#fingerprint;
  }

  /** Names a log at its position; the fingerprint has it already. */
  name(log: Log, count: number, stamp: number): void {
    this.#named.set(log.queue, { log, epoch: log.epoch, count, stamp });
    this.#text = this.#others = undefined;
  }

  /** Leaves a log to the stamp of its master; the fingerprint has it already. */
  leave({ master }: Log, stamp: number): void {
    this.#stamps.set(master, Math.max(this.#stamps.get(master) ?? 1, stamp));
    this.#text = undefined;
  }

  /** A log moved on, or back among the changes of the same entry, which has this stamp. */
  move(log: Log, from: number, to: number, stamp: number): void {
    this.#fingerprint.move(log.seed, from, to);
    const last = this.#last;
    if (last?.log !== log) {
      this.#named.delete(log.queue);
      this.#others = undefined;
    }
    const listed = { log, epoch: log.epoch, count: to, stamp };
    this.#named.set(log.queue, listed);
    this.#last = listed;
    this.#text = undefined;
  }

  /** A log is gone, or need not be named any more. */
  drop(log: Log, count: number): void {
    this.#fingerprint.move(log.seed, count, 0);
    this.#named.delete(log.queue);
    if (this.#last?.log === log) this.#last = undefined;
    this.#text = this.#others = undefined;
  }

  /** The cursor. It is at most `MAX_CURSOR` long. */
  write(): string {
    while (this.#text === undefined) {
      const isFew = this.#named.size <= this.#most;
      const text = isFew ? this.#write() : "";
      if (isFew && text.length <= MAX_CURSOR) this.#text = text;
      else this.#unname();
    }
    return this.#text;
  }

  #write(): string {
    const last = this.#last;
    if (this.#others === undefined) {
      const others = [...this.#named].filter(([, listed]) => listed !== last);
      this.#others = writeCursor(others).slice(2);
    }
    const { value: fingerprint } = this.#fingerprint;
    const low = { stamps: this.#stamps, fingerprint, horizon: this.#horizon() };
    const start = this.#stamps.size > 0 ? writeCursor([], low) : writeCursor([]);
    return `${start}${this.#others}${last === undefined ? "" : `;${last.log.queue}=${last.epoch}.${last.count}`}`;
  }

  /** How many logs are named at the most. */
  get #most(): number {
    const masters = this.#stamps.size;
    return masters === 0 ? MOST : Math.min(MOST, Math.max(FEW, masters * FEW_EACH));
  }

  /** Leaves a log to the stamp of its master: of the master of which most are named, the one with the earliest stamp. */
  #unname(): void {
    const sizes = new Map<string, number>();
    for (const { log } of this.#named.values()) sizes.set(log.master, (sizes.get(log.master) ?? 0) + 1);
    let first: Listed | undefined;
    let size = 0;
    for (const listed of this.#named.values()) {
      // The last one may stand between two changes of one entry.
      if (listed === this.#last) continue;
      const own = sizes.get(listed.log.master) ?? 0;
      if (own > size || (own === size && first !== undefined && listed.stamp < first.stamp))
        [first, size] = [listed, own];
    }
    if (first === undefined) throw new Error("a cursor is too long, though it names no log");
    this.#named.delete(first.log.queue);
    this.leave(first.log, first.stamp);
    this.#others = undefined;
  }
}
