import { setTimeout } from "node:timers/promises";
import { calmLogger } from "../core/calm-logger.js";
import type { Clock } from "../core/clock.js";
import { onStopSignals } from "../model/process/stop-signals.js";
import { flushSpans } from "../telemetry/flush.js";
import type { ProcessLog } from "./log/process-log.js";

/** Exit codes: 1 after a fault or a forced end, 2 for a configuration that cannot be used. */
export const EXIT_FAULT = 1;
export const EXIT_CONFIG = 2;

/** What a process of a server runs, and ends in order. */
export interface Stoppable {
  stop(): Promise<void>;
  /** Ends at once what else there is than this process. Default: there is nothing else. */
  kill?(): void;
}

/** Stops it, and sends the spans that are not sent yet. */
export async function stopAll(server: Stoppable): Promise<void> {
  try {
    await server.stop();
  } finally {
    await flushSpans((ms) => setTimeout(ms, undefined, { ref: false }));
  }
}

/** Ends the process when what was logged is written. */
export async function endProcess(log: ProcessLog, code: number): Promise<never> {
  await log.flush();
  process.exit(code);
}

/** Logs rejections that nobody handled, and goes on: the stray error of one handler must not end all other jobs. */
export function surviveHandlers(server: Stoppable, log: ProcessLog, clock: Clock): void {
  const logger = calmLogger(log.logger, clock);
  process.on("unhandledRejection", (error) => {
    logger.error({ err: error }, "a promise was rejected and nobody handled it");
  });
  // After an uncaught exception the state of the process cannot be trusted: it ends, but stops the server in order.
  let isEnding = false;
  process.on("uncaughtException", (error) => {
    log.life.fatal({ err: error }, "an error was thrown and nobody caught it; the server ends");
    if (isEnding) return;
    isEnding = true;
    void stopAll(server).finally(() => endProcess(log, EXIT_FAULT));
  });
}

/** Stops in order on the first signal, and ends the process at once on the second. `timeoutMs`: what the log tells of `stop`. */
export function endOnSignals(running: Stoppable, timeoutMs: number, log: ProcessLog): void {
  onStopSignals(process, () => performance.now(), {
    stop(signal) {
      const text = `${signal}: no more jobs are taken; running ones have ${timeoutMs} ms to finish`;
      log.life.info({ signal, timeout_ms: timeoutMs }, text);
      stopAll(running).then(
        () => {
          log.life.info("stopped");
          void endProcess(log, 0);
        },
        (error) => {
          log.life.fatal({ err: error }, "stopping failed");
          void endProcess(log, EXIT_FAULT);
        },
      );
    },
    again(signal) {
      log.life.warn({ signal }, `${signal} again: ending at once`);
      running.kill?.();
      void endProcess(log, EXIT_FAULT);
    },
  });
}
