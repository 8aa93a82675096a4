/** How long anything in these tests may take before it counts as hanging, ms. */
export const PATIENCE_MS = 10_000;

/** Returns the promise, or fails with a message that says what never came, instead of hanging. */
export async function within<T>(promise: Promise<T>, what: string, ms = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing came within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Calls `check` again and again until it returns something other than undefined. Only for states that send no signal
 * when they are reached.
 */
export async function eventually<T>(check: () => Promise<T | undefined>, what: string, ms = PATIENCE_MS): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await check();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`${what}: not so within ${ms} ms`);
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
}
