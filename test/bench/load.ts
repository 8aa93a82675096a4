import { check } from "./figures.js";

/**
 * Returns the payload of the jobs in the Redis rows, 100 bytes as JSON: a new object for each job, as in a real
 * program.
 */
export function newPayload(): { text: string } {
  return { text: "x".repeat(89) };
}

/** Fails the row when a handler gets another payload than was created. */
export function checkPayload(payload: { text: string }): void {
  check(payload.text.length === 89, "a handler was given another payload");
}

/** Makes `calls` calls in all from `callers` callers, each of which waits for its answer. Returns calls per second. */
export async function loadFrom(callers: number, calls: number, call: () => Promise<unknown>): Promise<number> {
  let left = calls;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left-- > 0) await call();
    }),
  );
  return calls / ((performance.now() - start) / 1000);
}
