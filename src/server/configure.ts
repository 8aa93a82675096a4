import type { Authorizer } from "../access/authorizer.js";
import { createSystemClock } from "../core/clock.js";
import type { HandlerRunner } from "../core/handler-runner.js";
import { createInProcessRunner } from "../core/pool/in-process-runner.js";
import { errorText } from "../model/common/describe-error.js";
import type { Handlers } from "../model/handler/handler.js";
import { type Middleware, withMiddleware } from "../model/handler/middleware.js";
import type { Logger } from "../model/log/logger.js";
import { loadAuthorizer } from "./access/load-authorizer.js";
import { type Config, ConfigError, readConfig } from "./config/config.js";
import type { Environment } from "./config/env-reader.js";
import { loadRunner } from "./handlers/load-runner.js";

/** What a server is to be like, and the code of its operator that it uses. */
export interface Configured {
  readonly config: Config;
  /** Runs the handlers. Undefined: there are none but the built-in ones. */
  readonly runner: HandlerRunner | undefined;
  readonly authorizer: Authorizer | undefined;
}

/** Code that is handed in, in place of modules that the environment names. */
export interface GivenCode {
  /** They run in this process: the environment cannot isolate functions, only a module. */
  readonly handlers?: Handlers | undefined;
  /** Runs around each of `handlers`, the first outermost; a module exports its own. Default: none. */
  readonly middleware?: readonly Middleware[] | undefined;
  readonly authorizer?: Authorizer | undefined;
}

/** Reads the configuration and loads the modules it names. Rejects with a `ConfigError` that has every problem of all. */
export async function configure(environment: Environment, logger: Logger, given: GivenCode = {}): Promise<Configured> {
  const problems: string[] = [];
  const keep = (error: unknown): undefined => {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
  };
  const load = async <T>(name: string, read: (path: string) => Promise<T>): Promise<T | undefined> => {
    const path = environment[name]?.trim();
    if (!path) return undefined;
    try {
      return await read(path);
    } catch (error) {
      problems.push(`${name}: ${errorText(error)}`);
      return undefined;
    }
  };
  // Something else, as in a program without types, must not count as one that is then not asked.
  const hasAuthorizer = typeof given.authorizer === "function";
  if (given.authorizer !== undefined && !hasAuthorizer) problems.push("authorizer: must be a function");
  const config = await Promise.resolve()
    .then(() => readConfig(environment, { hasAuthorizer }))
    .catch(keep);
  const runner = given.handlers
    ? createInProcessRunner(withMiddleware(given.handlers, given.middleware), createSystemClock())
    : await load("HANDLERS", (path) => loadRunner(path, environment, logger));
  const authorizer = given.authorizer ?? (await load("AUTHORIZER", loadAuthorizer));
  if (given.middleware !== undefined && given.handlers === undefined) {
    problems.push("middleware: is for handlers that are handed in; a module of handlers exports its own");
  }
  if (given.handlers !== undefined && config?.isolation !== undefined) {
    problems.push("HANDLERS_ISOLATION: is for a module; handlers that are handed in run in this process");
  }
  if (config === undefined || problems.length > 0) {
    await runner?.stop();
    throw new ConfigError(problems);
  }
  return { config, runner, authorizer };
}
