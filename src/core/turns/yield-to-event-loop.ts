// Not the global one: test runners replace that when a test fakes its timers.
import { setImmediate } from "node:timers";

/** Resolves after pending events were handled. Long work awaits it between its parts, so that it blocks nothing. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
