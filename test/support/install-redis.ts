import { install } from "./install-package.js";

/**
 * Runs before the tests that use Redis: installs Debian's redis-server where that is possible, or says that it is
 * missing. Does nothing when `GOTASKQ_TEST_REDIS_URL` names a server to use.
 */
export function setup(): void {
  if (process.env.GOTASKQ_TEST_REDIS_URL) return;
  try {
    install({ command: "redis-server", packageName: "redis-server", service: "redis-server" });
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}, or set GOTASKQ_TEST_REDIS_URL`, {
      cause: error,
    });
  }
}
