import type { Authorizer } from "../access/authorizer.js";
import { errorText } from "../model/describe-error.js";
import type { Handlers } from "../model/handler.js";
import { loadAuthorizer } from "./access/load-authorizer.js";
import { type Config, ConfigError, readConfig } from "./config/config.js";
import type { Environment } from "./config/env-reader.js";
import { loadHandlers } from "./handlers/load-handlers.js";

/** What a server is to be like, and the code of its operator that it uses. */
export interface Configured {
  readonly config: Config;
  /** Undefined: the built-in ones. */
  readonly handlers: Handlers | undefined;
  readonly authorizer: Authorizer | undefined;
}

/** Code that is handed in, in place of modules that the environment names. */
export type GivenCode = Partial<Omit<Configured, "config">>;

/** Reads the configuration and loads the modules it names. Rejects with a `ConfigError` that has every problem of all. */
export async function configure(environment: Environment, given: GivenCode = {}): Promise<Configured> {
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
  const hasAuthorizer = given.authorizer !== undefined;
  const config = await Promise.resolve()
    .then(() => readConfig(environment, { hasAuthorizer }))
    .catch(keep);
  const handlers = given.handlers ?? (await load("HANDLERS", loadHandlers));
  const authorizer = given.authorizer ?? (await load("AUTHORIZER", loadAuthorizer));
  if (config === undefined || problems.length > 0) throw new ConfigError(problems);
  return { config, handlers, authorizer };
}
