import type { Logger } from "../../src/model/log/logger.js";

/** One line of the log. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that keeps its lines. */
export function recordingLogger(): Logger & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"], context: object) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...context, ...fields }, message });
  const logger = (context: object): Logger => ({
    debug: at("debug", context),
    info: at("info", context),
    warn: at("warn", context),
    error: at("error", context),
    child: (fields) => logger({ ...context, ...fields }),
  });
  return { ...logger({}), lines };
}
