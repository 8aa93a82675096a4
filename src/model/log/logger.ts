import { describeError } from "../common/describe-error.js";

/** What the core needs of a logger; a pino logger is one. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Returns a logger that adds these fields to every line. */
  child(fields: object): Logger;
  /** Whether lines of this level are written. A logger without it counts as writing all. */
  isLevelEnabled?(level: LogLevel): boolean;
}

/** The levels of lines that the core writes. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Whether a logger writes lines of this level: what makes many lines asks once, and makes none otherwise. */
export function isLogged(logger: Logger, level: LogLevel): boolean {
  return logger.isLevelEnabled?.(level) ?? true;
}

/** A logger that discards everything. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
  isLevelEnabled: () => false,
};

/**
 * A logger for lines about what users' code did. It never throws, whatever the logger behind it does, and describes the
 * value in `err`, which may be anything that was thrown.
 */
export function guardedLogger(logger: Logger): Logger {
  const at = (level: LogLevel) => (fields: object, message: string) => {
    try {
      logger[level]("err" in fields ? { ...fields, err: describeError(fields.err) } : fields, message);
    } catch {
      // There is nowhere left to tell it.
    }
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => guardedLogger(logger.child(fields)),
    isLevelEnabled: (level) => isLogged(logger, level),
  };
}
