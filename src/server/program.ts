import { existsSync, readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { createSystemClock } from "../core/clock.js";
import { type Config, ConfigError, readConfig } from "./config/config.js";
import { doubtfulVariables } from "./config/doubtful-variables.js";
import type { Environment } from "./config/env-reader.js";
import { guessLogSettings } from "./config/logging.js";
import { configure } from "./configure.js";
import { createProcessLog, type ProcessLog } from "./log/process-log.js";
import { tellProblems } from "./log/tell-problems.js";
import { type Started, tellStart } from "./log/tell-start.js";
import {
  EXIT_CONFIG,
  EXIT_FAULT,
  endOnSignals,
  endProcess,
  type Stoppable,
  stopAll,
  surviveHandlers,
} from "./process-life.js";
import { startPrimary } from "./processes/primary.js";
import { startServer } from "./server.js";

/** What this program has started: a server in this process, or several in processes of their own. */
interface Running extends Stoppable {
  readonly started: Started;
  readonly config: Config;
  /** Resolves, with why, when it cannot go on. Not there: it ends with this process only. */
  readonly lost?: Promise<Error>;
}

/** Returns the environment of this process together with the variables of `.env`. The environment wins. */
export function readEnvironment(): Environment {
  const file = existsSync(".env") ? parseEnv(readFileSync(".env", "utf8")) : {};
  return { ...file, ...process.env };
}

async function start(environment: Environment, log: ProcessLog): Promise<Running> {
  const { logger } = log;
  const several = severalProcesses(environment);
  if (several !== undefined) {
    const primary = await startPrimary(several, environment, { clock: createSystemClock(), logger });
    const started = { url: primary.url, ...primary.start };
    const { lost } = primary;
    return { started, config: several, stop: () => primary.stop(), kill: () => primary.kill(), lost };
  }
  const { config, runner, authorizer } = await configure(environment, logger);
  const server = await startServer(config, { logger, runner, authorizer });
  const started = { url: server.url, backend: server.engine.backend.kind, handlers: runner?.types };
  return { started, config, stop: () => server.stop() };
}

/**
 * The configuration of a server with several processes; those load the code of its operator. Undefined: it is to be one process, or
 * the configuration is not valid, which whoever loads that code tells together with what is wrong with it.
 */
function severalProcesses(environment: Environment): Config | undefined {
  if (!environment.PROCESSES) return undefined;
  try {
    const config = readConfig(environment);
    return config.processes > 1 ? config : undefined;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** Ends in order when it cannot go on. */
function endWhenLost(running: Running, log: ProcessLog): void {
  void running.lost?.then((error) => {
    log.life.fatal({ err: error }, "the server cannot go on, and ends");
    void stopAll(running)
      .catch((fault) => log.life.fatal({ err: fault }, "stopping failed"))
      .finally(() => endProcess(log, EXIT_FAULT));
  });
}

/**
 * Runs a server as a program: starts what the environment asks for, tells of it, and ends the process in order on signals, and with an
 * exit code when it cannot start or go on. Resolves once it serves.
 */
export async function runServer(environment: Environment): Promise<void> {
  const log = createProcessLog(guessLogSettings(environment), process.stdout, !process.env.NO_COLOR);
  // Nobody may read it any more: that must not end the server.
  process.stderr.on("error", () => {});
  for (const doubt of doubtfulVariables(environment)) {
    log.life.warn({ variable: doubt.slice(0, doubt.indexOf(":")) }, doubt);
  }
  try {
    const running = await start(environment, log);
    endOnSignals(running, running.config.shutdownTimeoutMs, log);
    endWhenLost(running, log);
    surviveHandlers(running, log, createSystemClock());
    tellStart(log, running.started, running.config);
  } catch (error) {
    const isOfConfig = tellProblems(log, error, (text) => process.stderr.write(`${text}\n`));
    await endProcess(log, isOfConfig ? EXIT_CONFIG : EXIT_FAULT);
  }
}
