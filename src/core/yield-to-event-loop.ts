/** Lets what waits in the event loop go first: long work is done in turns. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
