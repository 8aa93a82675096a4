import { check } from "./figures.js";

/** What every job of the Redis rows carries: 100 bytes as JSON, made anew for each job as a program would. */
export function newPayload(): { text: string } {
  return { text: "x".repeat(89) };
}

/** Fails the row when a handler is not given what was created. */
export function checkPayload(payload: { text: string }): void {
  check(payload.text.length === 89, "a handler was given another payload");
}

/** Calls so many times in all, from so many callers, each of which waits for its answer; answers calls a second. */
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
