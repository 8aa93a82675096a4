import { createSystemClock } from "../../core/clock.js";
import type { HandlerRunner } from "../../core/handler-runner.js";
import { createInProcessRunner } from "../../core/pool/in-process-runner.js";
import { isolateHandlers } from "../../handlers/isolate-handlers.js";
import { loadHandlers } from "../../handlers/load-handlers.js";
import type { Logger } from "../../model/log/logger.js";
import { type Environment, EnvReader } from "../config/env-reader.js";
import { readHandlerSlots, readIsolation } from "../config/handlers.js";

/**
 * Loads the handlers of HANDLERS, and returns what runs them where the environment says. Isolated ones are never loaded in this
 * process, not even when other variables are wrong. Rejects with what is wrong with their module.
 */
export async function loadRunner(
  path: string,
  environment: Environment,
  logger: Logger,
): Promise<HandlerRunner | undefined> {
  const env = new EnvReader(environment);
  const isolation = readIsolation(env);
  // That is told by whoever reads the configuration.
  if (env.problems.length > 0) return undefined;
  if (isolation === undefined) return createInProcessRunner(await loadHandlers(path), createSystemClock());
  return isolateHandlers(path, { ...isolation, size: readHandlerSlots(env), logger });
}
