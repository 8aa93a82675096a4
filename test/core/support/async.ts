/** A promise that a test settles itself. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** Creates a promise and its two ends. */
export function deferred<T = void>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/** What has come out of a stream so far. */
export interface Collected<T> {
  readonly events: T[];
  /** Whether it has ended, with an error or without. */
  ended: boolean;
  /** The error it ended with. */
  error: unknown;
}

/** Reads a stream to its end, as fast as it delivers. */
export function collect<T>(stream: AsyncIterable<T>): Collected<T> {
  const collected: Collected<T> = { events: [], ended: false, error: undefined };
  void (async () => {
    try {
      for await (const event of stream) collected.events.push(event);
    } catch (error) {
      collected.error = error;
    } finally {
      collected.ended = true;
    }
  })();
  return collected;
}

/** Resolves to what a promise was rejected with; fails when it was not rejected. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
}
