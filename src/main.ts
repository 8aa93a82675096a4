import { existsSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseEnv } from "node:util";
import { calmLogger } from "./core/calm-logger.js";
import { createSystemClock } from "./core/clock.js";
import { onStopSignals } from "./model/stop-signals.js";
import type { Environment } from "./server/config/env-reader.js";
import { guessLogSettings } from "./server/config/logging.js";
import { configure } from "./server/configure.js";
import { createProcessLog, type ProcessLog } from "./server/log/process-log.js";
import { tellProblems } from "./server/log/tell-problems.js";
import { tellStart } from "./server/log/tell-start.js";
import { type Server, startServer } from "./server/server.js";
import { flushSpans } from "./telemetry/flush.js";

/** Exit codes: 1 after a fault or a forced end, 2 for a configuration that cannot be used. */
const EXIT_FAULT = 1;
const EXIT_CONFIG = 2;

/** Returns the environment together with the variables of `.env`. The environment wins. */
function readEnvironment(): Environment {
  const file = existsSync(".env") ? parseEnv(readFileSync(".env", "utf8")) : {};
  return { ...file, ...process.env };
}

/** Stops the server, and sends the spans that are not sent yet. */
async function stop(server: Server): Promise<void> {
  try {
    await server.stop();
  } finally {
    await flushSpans((ms) => setTimeout(ms, undefined, { ref: false }));
  }
}

/** Ends the process when what was logged is written. */
async function end(log: ProcessLog, code: number): Promise<never> {
  await log.flush();
  process.exit(code);
}

/** Stops the server in order on the first signal, and ends the process at once on the second. */
function endOnSignals(server: Server, timeoutMs: number, log: ProcessLog): void {
  onStopSignals(process, () => performance.now(), {
    stop(signal) {
      const text = `${signal}: no more jobs are taken; running ones have ${timeoutMs} ms to finish`;
      log.life.info({ signal, timeout_ms: timeoutMs }, text);
      stop(server).then(
        () => {
          log.life.info("stopped");
          void end(log, 0);
        },
        (error) => {
          log.life.fatal({ err: error }, "stopping failed");
          void end(log, EXIT_FAULT);
        },
      );
    },
    again(signal) {
      log.life.warn({ signal }, `${signal} again: ending at once`);
      void end(log, EXIT_FAULT);
    },
  });
}

/** Logs rejections that nobody handled, and goes on: the stray error of one handler must not end all other jobs. */
function surviveHandlers(server: Server, log: ProcessLog): void {
  const logger = calmLogger(log.logger, createSystemClock());
  process.on("unhandledRejection", (error) => {
    logger.error({ err: error }, "a promise was rejected and nobody handled it");
  });
  // After an uncaught exception the state of the process cannot be trusted: it ends, but stops the server in order.
  let isEnding = false;
  process.on("uncaughtException", (error) => {
    log.life.fatal({ err: error }, "an error was thrown and nobody caught it; the server ends");
    if (isEnding) return;
    isEnding = true;
    void stop(server).finally(() => end(log, EXIT_FAULT));
  });
}

const environment = readEnvironment();
const log = createProcessLog(guessLogSettings(environment), process.stdout, !process.env.NO_COLOR);
// Nobody may read it any more: that must not end the server.
process.stderr.on("error", () => {});

try {
  const { config, runner, authorizer } = await configure(environment, log.logger);
  const server = await startServer(config, { logger: log.logger, runner, authorizer });
  endOnSignals(server, config.shutdownTimeoutMs, log);
  surviveHandlers(server, log);
  const started = { url: server.url, backend: server.engine.backend.kind, handlers: runner?.types };
  tellStart(log, started, config);
} catch (error) {
  const isOfConfig = tellProblems(log, error, (text) => process.stderr.write(`${text}\n`));
  await end(log, isOfConfig ? EXIT_CONFIG : EXIT_FAULT);
}
