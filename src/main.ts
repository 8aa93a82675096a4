import { existsSync, readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { type Logger, pino } from "pino";
import { StoreUnusable } from "./backends/file/store-unusable.js";
import { RedisUnusable } from "./backends/redis/link/check-server.js";
import { describeError, errorText } from "./model/describe-error.js";
import type { Handlers } from "./model/handler.js";
import { type Config, ConfigError, readConfig } from "./server/config/config.js";
import { loadHandlers } from "./server/handlers/load-handlers.js";
import { type Server, startServer } from "./server/server.js";

/** Exit codes: 1 after a fault or a forced end, 2 for a configuration that cannot be used. */
const EXIT_FAULT = 1;
const EXIT_CONFIG = 2;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Returns the environment together with the variables of `.env`. The environment wins. */
function readEnvironment(): Record<string, string | undefined> {
  const file = existsSync(".env") ? parseEnv(readFileSync(".env", "utf8")) : {};
  return { ...file, ...process.env };
}

/** Reads the configuration and loads the handlers it names. Throws a `ConfigError` with every problem of both. */
async function configure(): Promise<{ config: Config; handlers: Handlers | undefined }> {
  const environment = readEnvironment();
  const path = environment.HANDLERS?.trim();
  const problems: string[] = [];
  const keep = (error: unknown): undefined => {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
  };
  const config = await Promise.resolve(environment).then(readConfig).catch(keep);
  const handlers = path ? await loadConfigured(path).catch(keep) : undefined;
  if (config === undefined || problems.length > 0) throw new ConfigError(problems);
  return { config, handlers };
}

async function loadConfigured(path: string): Promise<Handlers> {
  try {
    return await loadHandlers(path);
  } catch (error) {
    throw new ConfigError([`HANDLERS: ${errorText(error)}`]);
  }
}

/** What becomes of the jobs when the process ends. */
function keeping({ redis, dataDir, durability }: Config): string {
  if (redis !== undefined) return "jobs survive this process; servers on it share them";
  if (dataDir === undefined) return "jobs end with this process; DATA_DIR=./data keeps them in a file";
  return `jobs are kept in ${dataDir} and survive this process${durability === "power" ? " and a power cut" : ""}`;
}

function welcome(server: Server, config: Config, handlers: readonly string[] | undefined): string {
  const body = `{"type":"${handlers?.[0] ?? "logger"}","payload":{"msg":"hello"}}`;
  return [
    `GoTaskQ listens on ${server.url} (Connect, gRPC, gRPC-Web; HTTP/1.1 and HTTP/2)`,
    `console: ${server.url}/`,
    `backend: ${server.engine.backend.kind} (${keeping(config)})`,
    `handlers: ${handlers?.join(", ") ?? "the built-in logger, echo, sleep, fail"}`,
    `try: curl -H 'content-type: application/json' -d '${body}' ${server.url}/gotaskq.v1.JobService/CreateJob`,
  ].join("\n");
}

/** Stops the server in order on the first signal, and ends the process at once on the second. */
function endOnSignals(server: Server, timeoutMs: number): void {
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (isStopping) {
      complain(`${signal} again: ending at once`);
      process.exit(EXIT_FAULT);
    }
    isStopping = true;
    say(`${signal}: no more jobs are taken; running ones have ${timeoutMs} ms to finish`);
    server.stop().then(
      () => {
        say("stopped");
        process.exit(0);
      },
      (error) => {
        complain(`stopping failed: ${error}`);
        process.exit(EXIT_FAULT);
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

/** Logs rejections that nobody handled, and goes on: the stray error of one handler must not end all other jobs. */
function surviveHandlers(server: Server, logger: Logger): void {
  process.on("unhandledRejection", (error) => {
    logger.error({ err: error }, "a promise was rejected and nobody handled it");
  });
  // After an uncaught exception the state of the process cannot be trusted: it ends, but stops the server in order.
  let isEnding = false;
  process.on("uncaughtException", (error) => {
    logger.fatal({ err: error }, "an error was thrown and nobody caught it; the server ends");
    if (isEnding) return;
    isEnding = true;
    server.stop().finally(() => process.exit(EXIT_FAULT));
  });
}

try {
  const { config, handlers } = await configure();
  // Errors of handlers may be anything: pino's own serializer throws for some.
  const logger = pino({ level: config.logLevel, serializers: { err: describeError } });
  const server = await startServer(config, { logger, handlers });
  endOnSignals(server, config.shutdownTimeoutMs);
  surviveHandlers(server, logger);
  say(welcome(server, config, handlers && Object.keys(handlers)));
} catch (error) {
  if (error instanceof ConfigError) {
    complain("the configuration is not valid:");
    for (const problem of error.problems) complain(`  ${problem}`);
    process.exit(EXIT_CONFIG);
  }
  if (error instanceof StoreUnusable) {
    complain(`DATA_DIR: ${error.message}`);
    process.exit(EXIT_CONFIG);
  }
  if (error instanceof RedisUnusable) {
    complain(`REDIS_URL: ${error.message}`);
    process.exit(EXIT_CONFIG);
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE" || code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    complain(`HOST, PORT: cannot listen there: ${message}`);
    process.exit(EXIT_CONFIG);
  }
  complain(`the server could not start: ${error instanceof Error ? error.stack : error}`);
  process.exit(EXIT_FAULT);
}
