/** Lets what waits in the event loop go first: long work is done in turns. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
