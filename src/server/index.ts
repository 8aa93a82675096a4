/** A server inside a program of one's own: `import { startServer } from "gotaskq/server"`. */
import { defined } from "../model/common/defined.js";
import { type Logger, silentLogger } from "../model/log/logger.js";
import { ConfigError } from "./config/config.js";
import type { Environment } from "./config/env-reader.js";
import { configure, type GivenCode } from "./configure.js";
import { startServer as startConfigured } from "./server.js";

export type { Authorizer, AuthorizerRequest } from "../access/authorizer.js";
export type { Caller } from "../access/caller.js";
export { hashToken, newToken } from "../access/hash-token.js";
export type { Scope } from "../access/scopes.js";
export * from "../handlers/index.js";
export { type Logger, silentLogger } from "../model/log/logger.js";
export { createHandler, type HandlerOptions, type MountedHandler } from "./mount/create-handler.js";
export { ConfigError };

/** Settings of a server. */
export interface ServerOptions extends GivenCode {
  /** The variables that the program reads from its environment, as in `{ PORT: "8000" }`. Default: none is set. */
  readonly env?: Environment | undefined;
  /** A pino logger, or one like it. Default: silent. */
  readonly logger?: Logger | undefined;
}

/** A server that runs in this process. */
export interface RunningServer {
  /** Its URL for clients, as in `http://127.0.0.1:8000`. */
  readonly url: string;
  readonly port: number;
  /** Stops it in order, within its SHUTDOWN_TIMEOUT. Idempotent. */
  stop(): Promise<void>;
  /** Stops it: `await using server = await startServer(…)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a server. Rejects with a `ConfigError` for variables that cannot be used, and with the error of what it could not do: listen
 * there, or use its store.
 */
export async function startServer({
  env = {},
  logger = silentLogger,
  ...code
}: ServerOptions = {}): Promise<RunningServer> {
  const { config, runner, authorizer } = await configure(env, logger, code);
  if (config.processes > 1) {
    await runner?.stop();
    throw new ConfigError(["PROCESSES: is for the program; a server inside another one is one process"]);
  }
  const server = await startConfigured(config, { logger, ...defined({ runner, authorizer }) });
  const stop = () => server.stop();
  return { url: server.url, port: server.address.port, stop, [Symbol.asyncDispose]: stop };
}
