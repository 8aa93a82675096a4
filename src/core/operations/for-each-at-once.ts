import { ownTurn } from "../turns/own-turn.js";

/** Items after which each of those that work at the same time lets the event loop go on. */
const TURN = 8;

/**
 * Does something for each item, for up to `atOnce` at the same time. Rejects with the first failure; no item is begun
 * after it.
 */
export async function forEachAtOnce<T>(
  items: Iterable<T>,
  atOnce: number,
  each: (item: T) => Promise<unknown>,
): Promise<void> {
  // All take from one generator. A failure leaves the loop of one, which closes the generator for the others too.
  const rest = (function* () {
    yield* items;
  })();
  async function work(): Promise<void> {
    let done = 0;
    for (const item of rest) {
      await each(item);
      // A backend may answer without going through the event loop.
      if (++done % TURN === 0) await ownTurn();
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work));
}
