import { Console } from "node:console";
import type { Logger } from "../../model/log/logger.js";
import { createTextLogger } from "../../model/log/text-logger.js";

/** The logger of a worker that is given none: warnings and errors go to stderr, as text for people. */
export function createStderrLogger(): Logger {
  // A Console, as it ignores that nobody reads the other end any more.
  return createTextLogger((text) => new Console(process.stderr).error("%s", text));
}
