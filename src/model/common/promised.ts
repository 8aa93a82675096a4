/**
 * What `run` returns; a promise that rejects with what it throws, where it throws instead. For functions that hand promises on: an async
 * one does so by itself, and makes a state and a promise more for each call.
 */
export function promised<T>(run: () => Promise<T>): Promise<T> {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
}
