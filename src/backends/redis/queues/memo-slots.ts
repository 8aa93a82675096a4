/** A place in Redis for the answer of a call. */
export interface Memo {
  /** The place; `release` it when the call has ended. */
  readonly slot: number;
  /** Tells the call from those that used the place before. */
  readonly call: number;
  /** Whether a script was sent with it: what is sent next may be a repeat, or be about its answer, and Redis looks for that. */
  isSent: boolean;
}

/** Most queues of which the places are kept while no call is under way. */
const MAX_KEPT = 1000;

/**
 * Gives each call whose answer Redis is to remember a place that no other call under way has. Redis keeps the answer until the
 * next call with the same place: then this server has got it, or given up. So as many answers are kept as calls were ever under
 * way at once.
 */
export class MemoSlots {
  readonly #queues = new Map<string, { readonly free: number[]; used: number }>();
  #calls = 0;

  take(queue: string): Memo {
    let slots = this.#queues.get(queue);
    if (slots === undefined) {
      slots = { free: [], used: 0 };
      this.#queues.set(queue, slots);
    }
    // The place that was freed last comes first: of places that are rarely needed the answers then expire.
    const slot = slots.free.pop() ?? slots.used;
    slots.used++;
    return { slot, call: this.#calls++, isSent: false };
  }

  release(queue: string, { slot }: Memo): void {
    const slots = this.#queues.get(queue);
    if (slots === undefined) return;
    slots.free.push(slot);
    slots.used--;
    if (slots.used === 0 && this.#queues.size > MAX_KEPT) this.#queues.delete(queue);
  }
}
