import type { Clock } from "../../../core/clock.js";
import type { Reply } from "../link/connection.js";
import { TOLERANCE_MS } from "../scripts/time.js";

/**
 * What a script returns; see prelude.ts. `counted` is not there when the answer is that of an earlier try: `now` is of then.
 */
export type ScriptReply = readonly [
  now: number,
  position: number,
  dueInMs: number,
  rest: readonly Reply[],
  counted?: number,
  ready?: Buffer,
  /** The message when it was not published, or the place in `rest`, from 1, where it is. */
  untold?: Buffer | number,
];

/** Most looks at a TIME that goes on stepping. */
const MAX_LOOKS = 3;

/** Stands for no queue: none has such a name. */
const NO_QUEUE = "";

/** How a store's time stood at one moment. */
interface Look {
  /** Its TIME less our monotonic clock, ms. */
  readonly offset: number;
  /** By how much the leases of the queue count it as set ahead, ms. */
  readonly setAhead: number;
}

interface Known extends Look {
  /** A later look at a TIME that went otherwise than our own clock, by so much more than `setAhead` says, ms. */
  found?: Look & { readonly excess: number };
}

/**
 * Compares how the TIME of the store goes with our own monotonic clock, queue by queue: two queues may lie on two
 * servers. What TIME went too far (or back) is told to the next script that writes: the queue counts it, and so moves
 * the ends of all its leases and waits along.
 */
export class StoreTimes {
  readonly #clock: Clock;
  readonly #stepped: () => void;
  readonly #queues = new Map<string, Known>();
  /** The offset after the step that was told last: its other queues need not be told again. */
  #told: number | undefined;

  /** `stepped` is called when a TIME is seen to have stepped: what is due by it is due sooner or later than was known. */
  constructor(clock: Clock, stepped: () => void) {
    this.#clock = clock;
    this.#stepped = stepped;
  }

  /** Sends a call of the queue until its script knows how far TIME has gone. `tell` is called right before each sending. */
  ask(
    queue: string,
    send: (tell: () => number | string) => Promise<Reply>,
    looks = 1,
    isBlind = false,
  ): Promise<ScriptReply> {
    let sentAt = 0;
    const told = () => {
      sentAt = this.#clock.monotonic();
      return this.told(queue, isBlind, sentAt);
    };
    return send(told).then((answer) => {
      const reply = answer as unknown as ScriptReply;
      const [now, , , rest, counted] = reply;
      const isNoted = counted !== undefined && this.note(queue, now, counted, sentAt);
      // Else it did nothing.
      if (Array.isArray(rest)) return reply;
      return this.ask(queue, send, looks + 1, !isNoted || looks >= MAX_LOOKS);
    });
  }

  /**
   * An answer to a call that was sent at `sentAt` on the monotonic clock, and has just come, told TIME and `setAhead`.
   * Returns false when it came too late to tell anything.
   */
  note(queue: string, time: number, setAhead: number, sentAt: number): boolean {
    const gotAt = this.#clock.monotonic();
    if (gotAt - sentAt > TOLERANCE_MS) return false;
    const offset = time - (sentAt + gotAt) / 2;
    const known = this.#queues.get(queue);
    const stepped = known === undefined ? 0 : offset - known.offset;
    const excess = known === undefined ? 0 : stepped - (setAhead - known.setAhead);
    // No step; or one that was counted, by us or by another server. What others count without one is theirs.
    if (known === undefined || Math.abs(stepped) <= TOLERANCE_MS || Math.abs(excess) <= TOLERANCE_MS) {
      this.#queues.set(queue, { offset, setAhead });
      return true;
    }
    known.found = { offset, setAhead, excess };
    if (this.#told === undefined || Math.abs(offset - this.#told) > TOLERANCE_MS) {
      this.#told = offset;
      this.#stepped();
    }
    return true;
  }

  /** An answer that was of no queue told TIME: only whether it stepped is of interest. See `note`. */
  look(time: number, sentAt: number): void {
    this.note(NO_QUEUE, time, 0, sentAt);
    const found = this.#queues.get(NO_QUEUE)?.found;
    if (found !== undefined) this.#queues.set(NO_QUEUE, found);
  }

  /**
   * What the call of the queue that is sent now, at `sentAt` on the monotonic clock, tells its script; see KEEP_TIME. When it
   * `isBlind`, any TIME will do.
   */
  told(queue: string, isBlind: boolean, sentAt: number): number | string {
    const known = this.#queues.get(queue);
    if (known === undefined) return "";
    const { found } = known;
    const time = isBlind ? "" : Math.round((found ?? known).offset + sentAt);
    return found === undefined ? time : `${time} ${Math.round(found.excess)} ${found.setAhead}`;
  }

  /** Forgets a queue that is gone. */
  forget(queue: string): void {
    this.#queues.delete(queue);
  }
}
