/**
 * Makes calls that come while one runs share the next run, which begins after all of them: each sees what was there when it
 * was made, and there are never two runs at a time, however many call.
 */
export function shareNext<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;

  async function begin(): Promise<T> {
    next = undefined;
    return run();
  }

  return () => {
    if (next === undefined) {
      next = running.then(begin);
      running = next.catch(() => undefined);
    }
    return next;
  };
}
