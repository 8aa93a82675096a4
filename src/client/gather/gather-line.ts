import { LIMITS } from "../../model/common/limits.js";
import type { GatherTiming } from "./gather-timing.js";

/** Most items of one call: the server takes no more. */
const MAX_ITEMS = LIMITS.batch;

/** Most bytes of the items of one call, if there are several: the server takes 4 MiB, and is to have room for others. */
const MAX_BYTES = 2 ** 20;

/**
 * How long calls are gathered while another is in flight, ms; while several are, so many times as long. So a call that takes long
 * holds others up for little, and the more a server is behind, the more goes in one call.
 */
const HOLD_MS = 5;

/** Most calls that are in flight before others have been gathered for that long. */
const MAX_FULL = 4;

/** Something that may go in a call with others. */
export interface GatherItem {
  /** About the bytes that it takes in a message. */
  readonly bytes: number;
  /** Whether it need not be sent any more. */
  readonly isOver: boolean;
}

/** Dependencies of a line. */
export interface GatherLineDeps<T> {
  readonly timing: GatherTiming;
  /** Makes a call for these items. Never rejects. */
  readonly send: (items: readonly T[]) => Promise<void>;
  /** Called each time that nothing waits or is in flight any more. */
  readonly idle: () => void;
  /** So many items are enough for a call. Default: as many as it may have. */
  readonly enough?: number | undefined;
}

/**
 * Items that may go together in a call, in the order that they came in.
 *
 * | in flight | what waits is sent |
 * |---|---|
 * | nothing | at the end of this turn |
 * | fewer than `MAX_FULL` calls | the same, as long as there is enough of it for a call |
 * | any number of calls | the first of it, once it has waited `HOLD_MS` times that number |
 */
export class GatherLine<T extends GatherItem> {
  readonly #deps: GatherLineDeps<T>;
  readonly #enough: number;
  #waiting: T[] = [];
  /** Of what waits. */
  #bytes = 0;
  #inFlight = 0;
  #isTurnEnding = false;
  #isPaused = false;
  #cancelTimer: (() => void) | undefined;

  constructor(deps: GatherLineDeps<T>) {
    this.#deps = deps;
    this.#enough = deps.enough ?? MAX_ITEMS;
  }

  /** Whether nothing waits or is in flight. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#inFlight === 0;
  }

  /** Adds an item. */
  add(item: T): void {
    this.#waiting.push(item);
    this.#bytes += item.bytes;
    this.#plan();
  }

  /** Sends nothing until `resume`. What is in flight goes on. */
  pause(): void {
    this.#isPaused = true;
    this.#forgetTimer();
  }

  /** Ends a pause. */
  resume(): void {
    this.#isPaused = false;
    this.#plan();
  }

  get #isEnough(): boolean {
    return this.#waiting.length >= this.#enough || this.#bytes >= MAX_BYTES;
  }

  /** Whether a call may be sent without a further wait. */
  get #isDue(): boolean {
    if (this.#isPaused) return false;
    return this.#inFlight === 0 || (this.#isEnough && this.#inFlight < MAX_FULL);
  }

  /** Sees to it that what waits is sent in time. */
  #plan(): void {
    if (this.#isDue) {
      if (this.#isTurnEnding) return;
      this.#isTurnEnding = true;
      this.#deps.timing.afterTurn(() => {
        this.#isTurnEnding = false;
        while (this.#waiting.length > 0 && this.#isDue) this.#sendNext();
        if (this.isIdle) this.#deps.idle();
        else this.#plan();
      });
    } else if (this.#waiting.length > 0 && !this.#isPaused) {
      this.#cancelTimer ??= this.#deps.timing.after(HOLD_MS * this.#inFlight, () => {
        this.#sendNext();
        this.#plan();
      });
    }
  }

  #sendNext(): void {
    this.#forgetTimer();
    const batch = this.#take();
    if (batch.length === 0) return;
    this.#inFlight++;
    void this.#deps.send(batch).then(() => {
      this.#inFlight--;
      // At the end of the turn: the callers that were answered may make their next calls in it.
      this.#plan();
    });
  }

  #forgetTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  /** The next items that go together, without those that are over. */
  #take(): T[] {
    const batch: T[] = [];
    let bytes = 0;
    let count = 0;
    for (const item of this.#waiting) {
      if (!item.isOver) {
        if (batch.length === MAX_ITEMS || (batch.length > 0 && bytes + item.bytes > MAX_BYTES)) break;
        bytes += item.bytes;
        batch.push(item);
      }
      this.#bytes -= item.bytes;
      count++;
    }
    this.#waiting = count === this.#waiting.length ? [] : this.#waiting.slice(count);
    return batch;
  }
}
